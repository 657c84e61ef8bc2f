"""``python -m respq`` is ``respq``."""

from respq.cli.main import main

main(prog_name="respq")
