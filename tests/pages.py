"""The pages under commands/: one for each command, partly written by the machine.

    # QPUSH                      the name of the command
    <!-- facts ... -->           generated from the declaration of the handler
    prose                        written by people, and never touched
    ```respq ... ```             a transcript (tests/transcripts.py): commands by people,
                                 replies by the server

``python -m tests.pages`` names what is not as it should be; with ``--write`` it refreshes
the generated parts, which is ``make pages``. Refreshing twice changes nothing. A map is
shown as RESP3 has it, because names beside their values are easier to read than a flat
list; tests/test_pages.py compares what RESP2 says.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from respq.broker.command import Arg, Command
from respq.broker.facts import KeySpec, flag_words, key_specs
from respq.handlers import command_table
from tests.compat import compatibility
from tests.transcripts import NotATranscript, Replay

COMMANDS = Path(__file__).parents[1] / "commands"
README = COMMANDS / "README.md"
_FENCE = re.compile(r"(?<=^```respq\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
_FACTS = re.compile(r"^<!-- facts\b.*?^<!-- /facts -->$", re.MULTILINE | re.DOTALL)
_INDEX = re.compile(r"^<!-- index\b.*?^<!-- /index -->$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r"\A# .+$", re.MULTILINE)
_WIDTH = 92
_INDENT = "      "
_GROUPS = {
    "queue": "Queues and jobs",
    "schedule": "Schedules",
    "worker": "Workers",
    "keys": "Keys",
    "strings": "Strings",
    "lists": "Lists",
    "hashes": "Hashes",
    "sets": "Sets",
    "zsets": "Sorted sets",
    "streams": "Streams",
    "transactions": "Transactions",
    "scripting": "Scripts",
    "pubsub": "Events and messages",
    "connection": "The connection",
    "server": "The server",
}


@dataclass(frozen=True)
class Transcript:
    """One transcript and where it stands."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(COMMANDS)}:{self.line}"


def commands() -> list[Command]:
    """Return every command that must have a page."""
    return list(command_table())


def path_of(command: Command) -> Path:
    """Return where the page of a command is: ``queue/queue-create.md``."""
    return COMMANDS / command.group / f"{command.name.lower().replace(' ', '-')}.md"


def pages() -> list[Path]:
    """Return every page that there is; README.md is none."""
    return sorted(COMMANDS.glob("*/*.md"))


def transcripts(path: Path) -> Iterator[Transcript]:
    """Yield the transcripts of a file."""
    text = path.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        yield Transcript(path, text.count("\n", 0, match.start()) + 1, match[1])


def prose(path: Path) -> str:
    """Return what people wrote on a page."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    return _FACTS.sub("", text.replace("```respq\n```", ""))


def tokens(command: Command) -> set[bytes]:
    """Return every word that an option of a command may be given by."""
    found: set[bytes] = set()
    for option in command.options:
        found |= _tokens(option.arg)
    return found


def _tokens(arg: Arg) -> set[bytes]:
    choices = {word.encode() for value in arg.values if "|" in value for word in value.split("|")}
    found = choices | set(arg.words or (arg.token,))
    for part in arg.parts:
        found |= _tokens(part)
    return found


def facts(command: Command) -> str:
    """Return the block at the head of a command's page."""
    module = command.handler.__module__.replace(".", "/")
    flags = b" ".join(flag_words(command)).decode()
    keys = ", ".join(_keys(command, spec) for spec in key_specs(command)) or "none"
    return "\n".join(
        (
            f"<!-- facts: `make pages` writes them from {module}.py -->",
            f"{command.summary}.",
            "",
            "```",
            *_wrapped(command.syntax),
            "```",
            "",
            "| since | group | flags | arity | keys |",
            "|---|---|---|---|---|",
            f"| {command.since} | {command.group} | {flags} | {command.arity} | {keys} |",
            "<!-- /facts -->",
        )
    )


def _keys(command: Command, spec: KeySpec) -> str:
    if spec.first_after:
        number = command.arguments[spec.index - command.words_count][0]
        return f"as many as {number} says, from {spec.index + spec.first_after}"
    if spec.to_the_options:
        return f"{spec.index} up to the options"
    if spec.option:
        return f"behind {spec.option.decode()}"
    if spec.keyword:
        return f"half of the words behind {spec.keyword.decode()}"
    each = f", every {spec.step}" if spec.step > 1 else ""
    but = " but one" if spec.behind else ""
    return f"{spec.index} to the last{but}{each}" if spec.to_the_end else str(spec.index)


def _wrapped(syntax: str) -> list[str]:
    """Break a syntax line between its options, never within one."""
    parts: list[str] = []
    depth = 0
    for word in syntax.split(" "):
        if depth:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
        depth += word.count("[") - word.count("]")
    lines = [""]
    for part in parts:
        if len(lines[-1]) + 1 + len(part) > _WIDTH:
            lines.append(_INDENT)
        lines[-1] += part if not lines[-1].strip() else f" {part}"
    return lines


def index() -> str:
    """Return the table of all commands in commands/README.md."""
    lines = ["<!-- index: `make pages` writes it -->"]
    groups = {command.group for command in commands()}
    for group in sorted(groups, key=list(_GROUPS).index):
        lines += ["", f"### {_GROUPS[group]}", "", "| command | |", "|---|---|"]
        lines += [
            f"| [{command.name}]({path_of(command).relative_to(COMMANDS).as_posix()}) "
            f"| {command.summary} |"
            for command in commands()
            if command.group == group
        ]
    return "\n".join([*lines, "<!-- /index -->"])


def refreshed(path: Path, command: Command | None) -> str:
    """Return a file with its generated parts as they should be.

    Args:
        path: a page, README.md, or docs/compatibility.md.
        command: the command of the page; None leaves the facts alone.

    Raises:
        NotATranscript: for a transcript that cannot be played.
    """
    text = path.read_text(encoding="utf-8")
    text = _FENCE.sub(lambda match: Replay(match[1]).text, text)
    text = _INDEX.sub(lambda _: index(), text)
    text = compatibility.refreshed(text)
    if command is not None:
        block = facts(command)
        if _FACTS.search(text):
            text = _FACTS.sub(lambda _: block, text)
        else:
            text = _TITLE.sub(lambda title: f"{title[0]}\n\n{block}", text)
    return text


def main(arguments: list[str]) -> int:
    """Refresh the pages, or name the stale ones; return the exit status."""
    write = arguments == ["--write"]
    if arguments and not write:
        sys.stderr.write("usage: python -m tests.pages [--write]\n")
        return 2
    by_path = {path_of(command): command for command in commands()}
    faults = [f"{_name(path)}: missing" for path in by_path if not path.exists()]
    for path in [README, *pages(), compatibility.PAGE]:
        try:
            text = refreshed(path, by_path.get(path))
        except NotATranscript as error:
            faults.append(f"{_name(path)}: {error}")
            continue
        if path.parent.parent == COMMANDS and path not in by_path:
            faults.append(f"{_name(path)}: there is no such command")
        if text != path.read_text(encoding="utf-8"):
            if write:
                path.write_text(text, encoding="utf-8")
                sys.stdout.write(f"{_name(path)}: refreshed\n")
            else:
                faults.append(f"{_name(path)}: stale, `make pages` refreshes it")
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


def _name(path: Path) -> str:
    return path.relative_to(COMMANDS.parent).as_posix()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
