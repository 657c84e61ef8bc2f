from __future__ import annotations

from typing import Any

import pytest

from respq.config import META_BYTES_MAX, TAGS_MAX
from tests.harness import Harness

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LABELS = f"NAME welcome TAG eu TAG trial META '{{\"tenant\": 7}}' TRACE {TRACE}"
SHOWN = {
    b"name": b"welcome",
    b"tags": [b"eu", b"trial"],
    b"meta": b'{"tenant": 7}',
    b"trace": TRACE.encode(),
}
NOTHING = {b"name": b"", b"tags": [], b"meta": b"", b"trace": b""}


def labels(facts: dict[bytes, Any]) -> dict[bytes, Any]:
    return {name: facts[name] for name in SHOWN}


@pytest.mark.parametrize("push", ["QPUSH q x", "QMPUSH q 2 x y"])
def test_what_a_push_says_of_its_jobs_goes_with_them(harness: Harness, push: str) -> None:
    harness.say(f"{push} {LABELS}")
    harness.crash()

    [first, *others] = harness.say("QPOP q COUNT 9 WITHMETA")

    assert labels(first[3]) == SHOWN
    assert all(labels(other[3]) == SHOWN for other in others)
    assert labels(harness.say(f"QSHOW q {first[0].decode()}")) == SHOWN


def test_a_job_that_says_nothing_shows_nothing(harness: Harness) -> None:
    job_id = harness.say("QPUSH q x").decode()

    assert labels(harness.say(f"QSHOW q {job_id}")) == NOTHING
    assert labels(harness.say("QPOP q WITHMETA")[3]) == NOTHING


def test_it_stays_over_failures_and_is_shown_with_the_dead(harness: Harness) -> None:
    harness.say(f"QPUSH q x ATTEMPTS 1 {LABELS}")
    receipt = harness.say("QPOP q")[1].decode()
    harness.say(f"QNACK q {receipt}")

    assert labels(harness.say("QDLQ LIST q")[0]) == SHOWN


def test_the_jobs_of_a_schedule_say_what_it_says(harness: Harness) -> None:
    harness.say(f"QSCHED ADD q tick x EVERY 10s {LABELS}")
    harness.crash()

    harness.pass_ms(10_000)

    assert labels(harness.say("QPOP q WITHMETA")[3]) == SHOWN


@pytest.mark.parametrize(
    "meta", [b"7", b"null", b'"text"', b"[1, 2]", b"{}", b' {"a": {"b": [true]}} ', b'"\xc3\xa4"']
)
def test_any_json_is_kept_as_it_is(harness: Harness, meta: bytes) -> None:
    harness.default.ask(b"QPUSH", b"q", b"x", b"META", meta)

    assert harness.say("QPOP q WITHMETA")[3][b"meta"] == meta


@pytest.mark.parametrize(
    "meta", [b"", b"a", b"{", b"{'a': 1}", b"[1,]", b"NaN", b'"\xff"', b"[" * 10_000, b"{} {}"]
)
def test_what_is_no_json_is_refused(harness: Harness, meta: bytes) -> None:
    reply = harness.default.ask(b"QPUSH", b"q", b"x", b"META", meta)

    assert str(reply).startswith("META is not JSON: ")
    assert harness.journal == []


@pytest.mark.parametrize(
    "trace",
    [
        "junk",
        TRACE.upper(),
        TRACE + "-00",
        TRACE[:-1],
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + TRACE[52:],
    ],
)
def test_what_is_no_traceparent_is_refused(harness: Harness, trace: str) -> None:
    assert harness.refusal(f"QPUSH q x TRACE {trace}") == (
        f"ERR TRACE is a traceparent, 00-<32 hex digits>-<16>-<2>, not '{trace}'"
    )


def test_too_much_is_refused(harness: Harness) -> None:
    tags = " TAG t" * TAGS_MAX
    assert isinstance(harness.say(f"QPUSH q x{tags}"), bytes)
    assert harness.refusal(f"QPUSH q x{tags} TAG t") == (
        f"ERR TAG is given more than {TAGS_MAX} times"
    )
    many = [b"TAG", b"t"] * 500_000
    assert str(harness.default.ask(b"QPUSH", b"q", b"x", *many)).startswith("TAG is given more ")

    meta = b'"' + b"a" * (META_BYTES_MAX - 2) + b'"'
    assert isinstance(harness.default.ask(b"QPUSH", b"q", b"x", b"META", meta), bytes)
    reply = harness.default.ask(b"QPUSH", b"q", b"x", b"META", meta + b" ")
    assert str(reply) == f"META is {META_BYTES_MAX + 1} bytes long, the limit is {META_BYTES_MAX}"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("NAME a NAME b", "ERR syntax error near 'NAME'"),
        ("NAME ''", "ERR NAME is empty, it needs 1 to 255 bytes"),
        ("TAG ''", "ERR TAG is empty, it needs 1 to 255 bytes"),
        ("TAG", "ERR syntax error near 'TAG': TAG tag [TAG tag ...]"),
    ],
)
def test_what_cannot_be_read_is_named(harness: Harness, words: str, error: str) -> None:
    assert harness.refusal(f"QPUSH q x {words}") == error
