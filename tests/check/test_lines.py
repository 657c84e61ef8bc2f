"""A line that cannot be used is named by its number; one that can is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from respq.check.checker import check
from respq.check.lines import BadLine
from tests.check.recording import Recording

GOOD = {"client": "a", "start": 1, "end": 2, "command": ["QPUSH", "q", "p"], "reply": "1-1"}


def line(**changes: Any) -> bytes:
    said = {name: value for name, value in (GOOD | changes).items() if value != "left out"}
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{", "it is not a request in JSON: "),
        (b"[]", "it is not a request in JSON: Expected `object`, got `array`"),
        (b'{"start": "x"}', "got `str` - at `$.start`"),
        (b"\xff", "it is not a request in JSON: "),
        (line()[:40], "it is not a request in JSON: "),
        (line(start="left out"), "it has no `start`"),
        (line(end="left out"), "it has no `end`"),
        (line(end=None), "it has an answer, but no `end`"),
        (line(reply="left out"), "it has an `end`, so it needs a `reply` or an `error`"),
        (line(error="ERR no"), "it has a `reply` and an `error`"),
        (line(end=0.5), "it ends at 0.5, before it starts at 1.0"),
        (line(command=[]), "it has no `command`"),
        (line(command="left out"), "it has no `command`"),
        (line(command=["QPUSH", "q", None]), "None is not a text or a number"),
        (line(command=["QPUSH", "q", {"base64": "?"}]), "'?' is not base64"),
        (line(command=["QPUSH", "q"]), "QPUSH has too few words"),
        (line(command=["QPUSH", "q", "p", "LEAS", "5"]), "'LEAS' is no option of QPUSH"),
        (line(command=["QPUSH", "q", "p", "LEASE"]), "LEASE of QPUSH has too few values"),
        (line(command=["QPUSH", "q", "p", "LEASE", "x"]), "'x' is not a duration"),
        (line(command=["QMPUSH", "q", "x", "p"]), "where a number should be"),
        (line(command=["QMPUSH", "q", 1, "p"]), "'1-1' is no reply of QMPUSH"),
        (line(command=["QMPUSH", "q", 2, "p", "p"], reply=["1-1"]), "is no reply of QMPUSH"),
        (line(command=["QPOP", "q"]), "'1-1' is no reply of QPOP"),
        (line(command=["QPOP", "q"], reply=["1-1", "7:1-2", "p"]), "is no reply of QPOP"),
        (line(command=["QPOP", "q"], reply=["1-1", "x", "p"]), "'x' is not a receipt"),
        (line(command=["QMPOP", 1, "q"]), "'1-1' is no reply of QMPOP"),
        (line(command=["QACK", "q", "7:1-1"]), "'1-1' is no reply of QACK"),
        (line(command=["QTOUCH", "q", "7:1-1"]), "'1-1' is no reply of QTOUCH"),
        (line(command=["QMOVE", "q", "r", "junk"]), "'junk' is not a receipt"),
        (line(command=["QSHOW", "q", "1-1"], reply=["phase", "ready"]), "is no reply of QSHOW"),
        (line(command=["QSTATS", "q"], reply=["q", ["ready", 1]]), "is no reply of QSTATS"),
        (line(command=["QFOO", "q"]), "QFOO is a command that the checker cannot judge"),
        (line(command=["FLUSHALL"]), "FLUSHALL is a command that the checker cannot judge"),
        (line(command=["SELECT", 1]), "SELECT is not recorded: lines say their `db`"),
        (line(command=["MULTI"]), "a transaction is one line: EXEC, with its `commands`"),
        (line(command=["EXEC"]), "a transaction is one line: EXEC, with its `commands`"),
        (line(commands=[["PING"]]), "a transaction is one line: EXEC, with its `commands`"),
        (line(command=["EXEC"], commands=[["PING"]], reply=[]), "EXEC has not as many replies"),
        (line(command=["EXEC"], commands=[[]], reply=[1]), "one of the `commands` is empty"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_by_its_number(bad: bytes, said: str) -> None:
    with pytest.raises(BadLine) as caught:
        check([line(), b"\n", bad, line()])

    assert str(caught.value).startswith("line 3: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "good",
    [
        line(),
        line(error=None),
        line(client=7, worker="more is no matter"),
        line(end=None, reply="left out"),
        line(end=None, reply=None),
        line(reply="left out", error="PAUSED the queue takes no jobs"),
        line(reply=None, error="PAUSED the queue takes no jobs"),
        line(command=["qpush", "q", {"base64": "aGk="}, "lease", "5s"]),
        line(command=["QPOP", "q", "COUNT", 2], reply=[["1-1", "7:1-1", 5], ["1-2", "8:1-2", ""]]),
        line(command=["QPOP", "q"], reply=None),
        line(command=["QMPOP", 2, "q", "r", "WEIGHTS", 1, 2, "LEASE", 5], reply=None),
        line(command=["PING"], reply="PONG"),
        line(command=["QFOO"], reply="left out", error="ERR unknown command"),
        line(command=["FLUSHALL"], reply="left out", error="ERR unknown command"),
        line(command=["EXEC"], commands=[["QSHOW", "q", "x"]], reply=[{"error": "NOJOB"}]),
        line(command=["EXEC"], commands=[["QPUSH", "q"]], reply="left out", error="EXECABORT"),
        b'{"down": 5}',
    ],
)
def test_whatever_the_format_allows_is_read(good: bytes) -> None:
    report = check([good])

    assert report.requests == (b"down" not in good)
    assert all("nobody pushed it" in str(each) for each in report.findings)


def test_a_payload_in_base64_is_the_same_as_in_text() -> None:
    recording = Recording()
    recording.say("QPUSH mail", "1-1")
    recording.lines[-1]["command"].append({"base64": "aGk="})
    recording.say("QPOP mail", ["1-1", "7:1-1", "hi"])

    assert recording.findings() == []


def test_databases_have_queues_of_their_own() -> None:
    recording = Recording()
    recording.say("QPUSH mail hi", "1-1", db=1)
    recording.say("QPOP mail", ["1-1", "7:1-1", "hi"], db=2)

    assert recording.findings() == ["line 2: job 2:mail/1-1 is there, and nobody pushed it"]


def test_the_order_of_lines_means_nothing() -> None:
    recording = Recording()
    recording.say("QPUSH mail hi", "1-1")
    recording.say("QPOP mail", ["1-1", "7:1-1", "hi"])
    recording.say("QACK mail 7:1-1", 1)
    recording.gone("1-1")

    recording.lines.reverse()

    assert recording.findings() == []
