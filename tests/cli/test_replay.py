from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from respq.cli.main import main
from tests.harness import START_MS
from tests.journal.processes import fingerprint
from tests.journal.recorded import Recorded


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Leave a stopped journal, a change each second."""
    recorded = Recorded(tmp_path / "data")
    recorded.say("QPUSH mail hello ID a PRIORITY 7")  # position 1, at 22:13:20
    recorded.pass_ms(1_000)
    recorded.say("QPUSH mail 'to \\xff you' ID 'b c'")  # 2
    recorded.pass_ms(1_000)
    recorded.say("QPOP mail NOACK")  # 3
    recorded.pass_ms(1_000)
    recorded.say("QPOP mail")  # 4
    recorded.pass_ms(1_000)
    recorded.say("QPUSH other x DELAY 1h ID d")  # 5
    recorded.close()
    return recorded


def run(recorded: Recorded, path: Path, *words: str) -> Result:
    before = fingerprint(path / "data")
    result = CliRunner().invoke(main, ["replay", "--data-dir", str(path / "data"), *words])
    assert fingerprint(path / "data") == before
    assert recorded.position == 5
    return result


def lines(recorded: Recorded, path: Path, *words: str) -> list[str]:
    result = run(recorded, path, *words)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_every_queue_is_shown_with_its_counts_and_totals(
    recorded: Recorded, tmp_path: Path
) -> None:
    assert lines(recorded, tmp_path) == [
        "position 5  2023-11-14T22:13:24.000Z",
        'queue "mail"  db 0  ready 0  delayed 0  leased 1  dead 0  done 0  blocked 0  '
        "schedules 0  oldest_ready_ms 0",
        "  pushed 2  popped 2  acked 1",
        'queue "other"  db 0  ready 0  delayed 1  leased 0  dead 0  done 0  blocked 0  '
        "schedules 0  oldest_ready_ms 0",
        "  pushed 1",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--position", "2"),
        ("--at", "2023-11-14T22:13:21Z"),
        ("--at", "2023-11-14T22:13:21.999"),
        ("--at", "2023-11-14T23:13:21+01:00"),
        ("--at", str(START_MS + 1_000)),
    ],
)
def test_a_moment_is_a_position_or_a_time(
    recorded: Recorded, tmp_path: Path, words: tuple[str, ...]
) -> None:
    first, mail, totals = lines(recorded, tmp_path, *words)

    assert first == "position 2  2023-11-14T22:13:21.000Z"
    assert mail.startswith('queue "mail"  db 0  ready 2  delayed 0  leased 0')
    assert mail.endswith("oldest_ready_ms 1000")
    assert totals == "  pushed 2"


def test_a_queue_is_shown_with_its_jobs(recorded: Recorded, tmp_path: Path) -> None:
    shown = lines(recorded, tmp_path, "--queue", "mail", "--position", "2")

    assert shown[3:] == [
        '  a  ready  priority 7  payload "hello"',
        '  "b c"  ready  priority 0  payload "to \\\\xff you"',
    ]


def test_a_long_payload_is_cut(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "data")
    recorded.say(f"QPUSH mail {'x' * 1_000}")
    recorded.close()

    result = CliRunner().invoke(
        main, ["replay", "--data-dir", str(tmp_path / "data"), "--queue", "mail"]
    )

    assert result.output.endswith(f'payload "{"x" * 256}"... 1000 bytes\n')


def test_json_has_an_object_for_the_moment_each_queue_and_each_job(
    recorded: Recorded, tmp_path: Path
) -> None:
    moment, *queues = map(json.loads, lines(recorded, tmp_path, "--json"))
    _, _, job = map(json.loads, lines(recorded, tmp_path, "--json", "--queue", "mail"))

    assert moment == {"position": 5, "now_ms": START_MS + 4_000}
    assert [(each["queue"], each["leased"], each["pushed_total"]) for each in queues] == [
        ("mail", 1, 2),
        ("other", 0, 1),
    ]
    assert (job["id"], job["phase"], job["priority"]) == ("b c", "leased", "0")


def test_a_queue_that_was_not_there_is_said_to_be(recorded: Recorded, tmp_path: Path) -> None:
    for words in (("--queue", "other", "--position", "4"), ("--queue", "mail", "--db", "1")):
        result = run(recorded, tmp_path, *words)

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: there was no queue ")


def test_a_difference_tells_what_came_went_and_changed(recorded: Recorded, tmp_path: Path) -> None:
    shown = lines(recorded, tmp_path, "--diff", "1")

    assert shown == [
        "from position 1  2023-11-14T22:13:20.000Z  to position 5  2023-11-14T22:13:24.000Z",
        'queue "mail"  db 0  came 1  went 1  changed 0',
        '  + "b c"  leased',
        "  - a  ready",
        'queue "other"  db 0  new  came 1  went 0  changed 0',
        "  + d  delayed",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--diff", "3", "--position", "4"),
        ("--diff", "4", "--position", "3"),
        ("--diff", "2023-11-14T22:13:22Z", "--at", "2023-11-14T22:13:23Z"),
    ],
)
def test_the_earlier_of_two_moments_comes_first(
    recorded: Recorded, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert lines(recorded, tmp_path, *words)[1:] == [
        'queue "mail"  db 0  came 0  went 0  changed 1',
        '  ~ "b c"  ready to leased',
    ]


def test_a_difference_of_one_queue_and_as_json(recorded: Recorded, tmp_path: Path) -> None:
    ends, mail = map(
        json.loads, lines(recorded, tmp_path, "--diff", "1", "--queue", "mail", "--json")
    )

    assert ends == {"from": 1, "to": 5}
    assert mail == {
        "queue": "mail",
        "db": 0,
        "was": "mail",
        "is": "mail",
        "came": [["b c", "leased"]],
        "went": [["a", "ready"]],
        "changed": [],
    }


def test_a_queue_that_was_renamed_or_dropped_is_told(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "data")
    for command in (
        "QPUSH mail x",
        "QUEUE CREATE gone",
        "QUEUE RENAME mail post",
        "QUEUE DROP gone",
    ):
        recorded.say(command)
    end = recorded.position
    recorded.close()

    result = CliRunner().invoke(
        main,
        ["replay", "--data-dir", str(tmp_path / "data"), "--diff", str(end - 2)],
    )

    assert result.output.splitlines()[1:] == [
        'queue "gone"  db 0  gone  came 0  went 0  changed 0',
        'queue "post"  db 0  was queue "mail"  db 0  came 0  went 0  changed 0',
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--position", "6"), "the journal ends at position 5, 2023-11-14T22:13:24.000Z"),
        (("--at", "1"), "the journal begins later, at position 1, 2023-11-14T22:13:20.000Z"),
        (("--diff", "6"), "the journal ends at position 5, 2023-11-14T22:13:24.000Z"),
    ],
)
def test_a_moment_that_is_not_held_is_one_line(
    recorded: Recorded, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    result = run(recorded, tmp_path, *words)

    assert result.exit_code == 1
    assert result.stderr == f"Error: {says}\n"


def test_what_compaction_has_forgotten_is_said_with_the_first_moment_that_is_held(
    tmp_path: Path,
) -> None:
    recorded = Recorded(tmp_path / "data", 600)
    for number in range(30):
        recorded.say(f"QPUSH mail job-{number:02}")
    recorded.forget(20)
    recorded.close()

    result = CliRunner().invoke(
        main, ["replay", "--data-dir", str(tmp_path / "data"), "--position", "3"]
    )

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: compaction has forgotten what was then; the first moment that can be rebuilt is "
        f"position {recorded.position}, 2023-11-14T22:13:20.000Z\n"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--at", "yesterday"), "'yesterday' is no time"),
        (("--diff", "0"), "positions begin at 1"),
        (("--position", "0"), "0 is not in the range"),
        (("--at", "1", "--position", "1"), "--at and --position are two moments"),
    ],
)
def test_a_moment_that_cannot_be_read_is_bad_usage(
    recorded: Recorded, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    result = run(recorded, tmp_path, *words)

    assert result.exit_code == 2
    assert says in result.stderr


def test_a_directory_that_a_server_holds_is_refused(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path / "data")

    result = CliRunner().invoke(main, ["replay", "--data-dir", str(tmp_path / "data")])

    assert result.exit_code == 1
    assert "is held by another process" in result.stderr
    assert result.stderr.count("\n") == 1
    recorded.close()
