from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from respq.broker.command import Command
from respq.handlers import command_table
from tests.requirements import redis_cli
from tests.server_process import ServerProcess

COMMANDS = {command.name: command for command in command_table()}
CLEAR_LINE = "\x15"
PLAIN = "\x1b[0m"
"""What redis-cli writes behind a coloured word."""


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The real redis-cli on a terminal that is wide enough for every hint."""
    program = redis_cli()
    home = Path(tmp_path_factory.mktemp("home"))
    with ServerProcess(None) as server:
        terminal = pexpect.spawn(
            program,
            ["-p", str(server.port)],
            dimensions=(60, 500),
            encoding="utf-8",
            timeout=10,
            env={"TERM": "xterm", "HOME": str(home)},
        )
        terminal.expect_exact(f"{server.port}> ")
        yield terminal
        terminal.close(force=True)


def hint(command: Command) -> str:
    """Return the arguments of a syntax line as redis-cli writes them."""
    text = command.syntax.removeprefix(command.name).strip().replace(" | ", "|")
    if command.variadic is not None and command.variadic[1].optional:
        name = (command.variadic[1].values or (command.variadic[0],))[0]
        for repeated in filter(None, (name, command.variadic[1].rest)):
            text = text.replace(f"[{repeated} ...]", f"[{repeated} [{repeated} ...]]")
    return text


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if hint(command)])
def test_redis_cli_hints_at_the_syntax_that_the_page_shows(terminal: Any, name: str) -> None:
    terminal.send(f"{name} ")

    terminal.expect_exact(hint(COMMANDS[name]))
    terminal.send(CLEAR_LINE)


@pytest.mark.parametrize("name", ["QPUSH", "QUEUE CREATE", "PING"])
def test_redis_cli_help_explains_a_command(terminal: Any, name: str) -> None:
    command = COMMANDS[name]

    terminal.send(f"HELP {name}\r")

    terminal.expect_exact(f"{name}{PLAIN} ")
    terminal.expect_exact(hint(command))
    terminal.expect_exact(f"summary:{PLAIN} {command.summary}\r")
    terminal.expect_exact(f"since:{PLAIN} {command.since}\r")
    terminal.expect_exact(f"group:{PLAIN} {command.group}\r")


def test_redis_cli_lists_the_commands_of_a_group(terminal: Any) -> None:
    terminal.send("HELP @schedule\r")

    for name in sorted(name for name, each in COMMANDS.items() if each.group == "schedule"):
        terminal.expect_exact(f"{name}{PLAIN} ")
        terminal.expect_exact(f"summary:{PLAIN} {COMMANDS[name].summary}\r")


def test_redis_cli_shows_the_help_of_a_container(terminal: Any) -> None:
    terminal.send("QDLQ HELP\r")

    terminal.expect_exact("QDLQ <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r")
    terminal.expect_exact(COMMANDS["QDLQ REDRIVE"].summary)
