"""Another release of this code: ``python -m tests.release 0.1.9 PYTHON -m respq serve …``.

It says another version of itself, in the journal and everywhere; the format is the same.
"""

import sys

import respq


def main() -> None:
    _, version, _, _, _, *words = sys.argv
    respq.__version__ = version
    # Not before: its modules take the version when they are imported.
    from respq.cli.main import main as command

    command(words, prog_name="respq")


if __name__ == "__main__":
    main()
