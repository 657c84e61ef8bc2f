"""Every page is true, and every command has one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from respq.broker.command import Command
from respq.broker.facts import flag_words
from tests.pages import (
    COMMANDS,
    README,
    Transcript,
    commands,
    facts,
    index,
    pages,
    path_of,
    prose,
    refreshed,
    tokens,
    transcripts,
)
from tests.transcripts import Replay, requests

BY_PATH = {path_of(command): command for command in commands()}
TRANSCRIPTS = [each for path in [README, *pages()] for each in transcripts(path)]
INSTANT = re.compile(r"(\d{13}) is (\d{4}-\d\d-\d\d \d\d:\d\d)(:\d\d)? ([A-Z][A-Za-z/]+)")
NAME = re.compile(r"^ *\d+# \"(\w+)\" => (?!$)", re.MULTILINE)
"""A name in a map that is not the name of another map."""
LINK = re.compile(r"\]\(([^)#]+)\)")


def named(path: Path) -> str:
    return path.relative_to(COMMANDS).as_posix()


def said(path: Path) -> Iterator[list[bytes]]:
    """Yield every command that is said on a page, its words in capitals."""
    for transcript in transcripts(path):
        for request in requests(transcript.text):
            yield [word.upper() for word in request]


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    assert sorted(BY_PATH) == pages()


@pytest.mark.parametrize("path", BY_PATH, ids=named)
def test_the_page_begins_with_the_name_and_the_facts_of_its_command(path: Path) -> None:
    command = BY_PATH[path]

    text = path.read_text(encoding="utf-8")

    assert text.startswith(f"# {command.name}\n\n{facts(command)}\n\n")


@pytest.mark.parametrize("path", BY_PATH, ids=named)
def test_the_page_has_reply_errors_and_a_transcript_of_its_command(path: Path) -> None:
    name = BY_PATH[path].name.encode().split()

    titles = [line for line in prose(path).splitlines() if line.startswith("#")]

    assert [title for title in titles if title in ("## Reply", "## Errors")] == [
        "## Reply",
        "## Errors",
    ]
    assert any(request[: len(name)] == name for request in said(path))


@pytest.mark.parametrize(
    "path",
    [
        *("queue/qshow.md", "queue/qstats.md", "queue/queue-get.md", "schedule/qsched-show.md"),
        *("worker/qworker-list.md", "worker/qworker-show.md"),
    ],
)
def test_every_name_in_a_map_is_explained(path: str) -> None:
    page = COMMANDS / path

    names = {name for transcript in transcripts(page) for name in NAME.findall(transcript.text)}

    assert names
    assert {name.encode() for name in names} <= set(in_backticks(page))


def undemonstrated(path: Path, command: Command) -> set[bytes]:
    """Return the words of options that no transcript of a page gives to its command."""
    name = command.name.encode().split()
    used = {word for request in said(path) if request[: len(name)] == name for word in request}
    return tokens(command) - used


@pytest.mark.parametrize("path", BY_PATH, ids=named)
def test_every_option_is_explained_and_used_in_a_transcript(path: Path) -> None:
    command = BY_PATH[path]

    explained = set(re.findall(rb"[A-Z][A-Z-]+", b" ".join(in_backticks(path))))

    assert tokens(command) - explained == set()
    assert undemonstrated(path, command) == set()


def in_backticks(path: Path) -> list[bytes]:
    return [match.encode() for match in re.findall(r"`([^`]+)`", prose(path))]


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_the_transcript_is_what_the_server_says(transcript: Transcript) -> None:
    replay = Replay(transcript.text)

    assert replay.text == transcript.text


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_resp2_says_the_same_as_resp3(transcript: Transcript) -> None:
    resp2, resp3 = (Replay(transcript.text, protocol) for protocol in (2, 3))

    assert [in_a_row(each) for _, each in resp2.replies] == [
        in_a_row(each) for _, each in resp3.replies
    ]


def in_a_row(reply: Any) -> Any:
    """Return a reply without its pairs: RESP3 has these where RESP2 has a row, as in Redis."""
    if not isinstance(reply, list):
        return reply
    row: list[Any] = []
    for each in map(in_a_row, reply):
        row += each if isinstance(each, list) and len(each) == 2 else [each]
    return row


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=str)
def test_it_says_the_same_when_no_payload_is_in_memory(transcript: Transcript) -> None:
    replay = Replay(transcript.text, lets_go=True)

    assert replay.text == transcript.text


def test_the_list_of_all_commands_is_current() -> None:
    assert index() in README.read_text(encoding="utf-8")


def test_every_flag_that_a_page_shows_is_explained() -> None:
    shown = {word for command in commands() for word in flag_words(command)}

    assert shown <= set(in_backticks(README))


@pytest.mark.parametrize("path", [README, *pages()], ids=named)
def test_instants_are_translated_correctly(path: Path) -> None:
    for unix_ms, minute, second, zone in INSTANT.findall(path.read_text(encoding="utf-8")):
        moment = datetime.fromtimestamp(int(unix_ms) / 1000, ZoneInfo(zone))

        assert f"{moment:%Y-%m-%d %H:%M:%S}" == minute + (second or ":00")


@pytest.mark.parametrize("path", [README, *pages()], ids=named)
def test_links_lead_to_files(path: Path) -> None:
    for target in LINK.findall(prose(path)):
        assert (path.parent / target).is_file(), target


def test_a_stale_page_is_refreshed_and_its_prose_left_alone(tmp_path: Path) -> None:
    command = next(command for command in commands() if command.name == "QLEN")
    page = tmp_path / "qlen.md"
    page.write_text("# QLEN\n\nIt counts.\n\n```respq\nA> QLEN mail\nmany\n```\n\nThe end.\n")

    text = refreshed(page, command)
    page.write_text(text)

    assert text == (
        f"# QLEN\n\n{facts(command)}\n\nIt counts.\n\n"
        "```respq\nA> QLEN mail\n(integer) 0\n```\n\nThe end.\n"
    )
    assert refreshed(page, command) == text
