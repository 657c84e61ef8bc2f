"""What README.md and docs/ say is so: sessions, settings, limits, errors, layers, tests, links."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

from respq import config
from respq.config import KIB, MIB, Settings, read_setting
from respq.engine.jobs import events
from respq.engine.jobs.administer import COUNTED_MAX, REGROUPED_MAX
from respq.errors import RespqError
from tests.requirements import ROOT, redis_cli
from tests.server_process import ServerProcess
from tests.test_layers import LAYERS

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PROSE = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "bench/README.md")),
    *sorted(DOCS.rglob("*.md")),
]
PROMPT = "127.0.0.1:6479> "
DEFAULTS = Settings()


def number(value: int) -> str:
    return f"{value:,}"


def size(value: int) -> str:
    return f"{value // MIB} MiB" if value % MIB == 0 else f"{value // KIB} KiB"


LIMITS = {
    "a payload": [size(DEFAULTS.payload_bytes_max)],
    "a bulk string": [size(config.BULK_BYTES_MAX)],
    "one request": [size(DEFAULTS.query_buffer_bytes_max)],
    "arguments": [number(config.ARGUMENTS_MAX)],
    "an inline line": [size(config.INLINE_BYTES_MAX)],
    "before AUTH": [
        number(config.UNAUTHENTICATED_ARGUMENTS_MAX),
        size(config.UNAUTHENTICATED_BULK_BYTES_MAX),
    ],
    "replies": [size(DEFAULTS.output_buffer_bytes_max)],
    "channels": [number(config.CHANNELS_MAX), number(config.PATTERNS_MAX)],
    "the name of a channel": [size(config.CHANNEL_BYTES_MAX)],
    "connections": [number(DEFAULTS.maxclients)],
    "names": [f"{config.NAME_BYTES_MAX} bytes"],
    "jobs of one QPOP": [number(config.COUNT_MAX)],
    "commands of one transaction": [
        number(config.QUEUED_COMMANDS_MAX),
        size(config.TRANSACTION_BYTES_MAX),
    ],
    "text of `ERROR`": [size(config.ERROR_BYTES_MAX)],
    "lines of `LOG`": [number(config.LOG_LINES_MAX)],
    "jobs that one waits for": [number(config.PARENTS_MAX)],
    "tags": [number(config.TAGS_MAX), size(config.META_BYTES_MAX)],
    "repeated pushes": [
        number(config.ANSWERS_MAX),
        f"{config.ANSWER_WINDOW_MS // 60_000} minutes",
    ],
    "groups of a queue": [number(config.GATES_MAX)],
    "jobs of a queue": [number(REGROUPED_MAX)],
    "jobs whose bytes": [number(COUNTED_MAX)],
    "events of a job": [number(config.HISTORY_MAX)],
    "queues of which": [number(config.METERED_QUEUES_MAX)],
    "schedules": [number(config.SCHEDULES_MAX)],
    "fields and members": [number(config.COUNT_MAX)],
    "workers": [number(config.WORKERS_MAX)],
    "scripts that": [number(config.SCRIPTS_MAX), size(config.SCRIPTS_BYTES_MAX)],
    "time of a script": [
        f"{DEFAULTS.script_ms_max // 1_000} s",
        f"{DEFAULTS.script_written_ms_max // 1_000} s",
    ],
    "memory of a script": [size(DEFAULTS.script_memory_bytes_max)],
    "what a script writes": [size(config.TRANSACTION_BYTES_MAX)],
    "arrays in one another": [number(config.SCRIPT_REPLY_DEPTH_MAX)],
    "a duration": [f"{config.DURATION_MS_MAX // 365 // 86_400_000} years"],
    "databases": [number(config.DATABASES)],
}
"""What stands in the table of limits: the first words of a row, and what its value says."""

INSTANT = re.compile(r"\b\d{13}\b")
"""Ids, receipts and ends of leases begin with one; what follows it is the same in every run."""
TEST_NAME = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
MODULE = re.compile(r"(?<![\w/])(?:\w+/)+\w+\.py\b")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def blocks(path: Path, language: str = "") -> list[str]:
    """Return the fenced blocks of a language."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return fence.findall(path.read_text())


def rows(path: Path, first_heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column is headed so."""
    _, _, rest = path.read_text().partition(f"\n| {first_heading} |")
    assert rest, f"{path.name} has no table of '{first_heading}'"
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def masked(text: str) -> str:
    return INSTANT.sub("<ms>", text)


def steps(session: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a redis-cli session with the lines that follow it."""
    for step in session.split(PROMPT)[1:]:
        command, *reply = step.splitlines()
        yield command, reply


class MaskedChecker(doctest.OutputChecker):
    """Compares what was printed but for the instants in it."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(masked(want), masked(got), optionflags)


def test_the_readme_fits_in_150_lines() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_the_session_in_redis_cli_gives_the_replies_that_the_readme_shows(tmp_path: Path) -> None:
    (session,) = (each for each in blocks(README) if PROMPT in each)
    program = redis_cli()
    said_for: dict[str, str] = {}

    with ServerProcess(tmp_path / "data") as server:
        for command, shown in steps(session):
            said = subprocess.run(
                [program, "--no-raw", "-p", str(server.port)],
                input=INSTANT.sub(lambda found: said_for[found[0]], command),
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()

            assert [masked(line) for line in said] == [masked(line) for line in shown], command
            instants = zip(INSTANT.findall(str(shown)), INSTANT.findall(str(said)), strict=True)
            said_for.update(instants)


@pytest.mark.parametrize("path", [README, DOCS / "dropin.md"], ids=lambda path: path.stem)
def test_sessions_in_redis_py_give_the_replies_that_are_shown(tmp_path: Path, path: Path) -> None:
    session = "\n".join(blocks(path, "python"))
    told: list[str] = []

    with ServerProcess(tmp_path / "data") as server:
        here = session.replace("port=6479", f"port={server.port}")
        example = doctest.DocTestParser().get_doctest(here, {}, path.name, None, None)
        runner = doctest.DocTestRunner(MaskedChecker())
        result = runner.run(example, out=told.append, clear_globs=False)
        example.globs["r"].close()

    assert result.attempted > 5
    assert result.failed == 0, "".join(told)


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.name)
def test_every_setting_stands_in_the_table_with_its_default(setting: Field[Any]) -> None:
    table = {name: rest for name, *rest in rows(DOCS / "operations.md", "setting")}

    default, meaning = table[f"`{setting.name}`"]

    shown = "" if default == "none" else default.strip("`")
    assert read_setting(setting.name, shown) == setting.default
    assert all(f"`{choice}`" in meaning for choice in setting.metadata["choices"])


def test_the_table_of_settings_names_no_other() -> None:
    named = {row[0].strip("`") for row in rows(DOCS / "operations.md", "setting")}

    assert named == {each.name for each in fields(Settings)}


def test_the_limits_are_those_of_the_code() -> None:
    table = rows(DOCS / "protocol.md", "limit")

    assert len(table) == len(LIMITS)
    for (first, values), row in zip(LIMITS.items(), table, strict=True):
        assert row[0].startswith(first)
        for value in values:
            assert re.search(rf"(?<![\d,]){re.escape(value)}(?!\w)", row[1]), (first, value)


def test_the_errors_are_those_of_the_code() -> None:
    explained = [row[0].strip("`") for row in rows(DOCS / "protocol.md", "word")]

    prefixes = {RespqError.prefix, *(each.prefix for each in RespqError.__subclasses__())}
    assert sorted(explained) == sorted(prefixes)


def test_the_events_are_those_of_the_code() -> None:
    told = [row[0].strip("`").encode() for row in rows(DOCS / "events.md", "event")]

    assert sorted(told) == sorted(events.NAMES)


def test_the_table_of_layers_is_the_one_that_is_held() -> None:
    described = {}
    for layer, imports, libraries, pure, _ in rows(DOCS / "architecture.md", "layer"):
        described[layer] = (
            None if imports == "all" else set(imports.split(", ")) - {""},
            set(libraries.split(", ")) - {""},
            pure == "yes",
        )

    held = {name: layer for name, layer in LAYERS.items() if not name.startswith("__")}
    assert described == {
        name: (layer.imports, layer.libraries, layer.is_pure) for name, layer in held.items()
    }


def test_every_test_that_the_guarantees_name_exists() -> None:
    named = TEST_NAME.findall((DOCS / "guarantees.md").read_text())

    assert len(named) > 20
    assert [
        f"{path}::{name}" for path, name in named if name not in names_of_tests(ROOT / path)
    ] == []


def names_of_tests(path: Path) -> set[str]:
    """Return the tests of a module as pytest names them; none if it is not there."""
    names = set()
    for each in ast.parse(path.read_text()).body if path.is_file() else []:
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=group):
                methods = (one for one in each.body if isinstance(one, ast.FunctionDef))
                names |= {f"{group}::{method.name}" for method in methods}
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.add(name)  # A state machine of hypothesis is made into a test so.
    return {name for name in names if re.match(r"test_|Test", name)}


def test_every_promise_names_a_test() -> None:
    promised, _, _ = (DOCS / "guarantees.md").read_text().partition("## What is not promised")
    promises = re.split(r"^- ", promised, flags=re.MULTILINE)[1:]

    assert promises
    assert [each for each in promises if not TEST_NAME.search(each)] == []


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    dead = []
    for link in LINK.findall(path.read_text()):
        file, _, heading = link.partition("#")
        if "://" in link:
            continue
        target = path.parent / file if file else path
        if not target.exists() or (heading and heading not in anchors(target)):
            dead.append(link)

    assert dead == []


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in headings}


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_that_are_named_exist(path: Path) -> None:
    named = set(MODULE.findall(path.read_text()))

    assert {
        each
        for each in named
        if not any((root / each).is_file() for root in (ROOT, ROOT / "respq"))
    } == set()
