from __future__ import annotations

from collections.abc import Iterator

import pytest

from respq.http.health import STALL_S, Health
from tests.http.beside import Beside, HungJournal


class Hung:
    """A server on a disk that hangs, and its health on a clock of its own."""

    def __init__(self) -> None:
        self.journal = HungJournal()
        self.server = Beside(self.journal)
        self.now_s = 1_000.0
        self.health = Health(self.server.core, lambda: self.now_s)

    def close(self) -> None:
        self.journal.let_go.set()
        self.server.settle()
        self.server.close()


@pytest.fixture
def hung() -> Iterator[Hung]:
    hung = Hung()
    yield hung
    hung.close()


def test_commit_that_does_not_end_for_five_seconds_degrades(hung: Hung) -> None:
    hung.server.say("QPUSH mail x")
    assert hung.health.status().word == "ok"

    hung.now_s += STALL_S - 0.001
    assert hung.health.status().word == "ok"
    hung.now_s += 0.001
    status = hung.health.status()

    assert status.word == "degraded"
    assert status.reason == "a commit has been under way for 5 s or more"
    assert not status.is_ready


def test_commit_that_ends_after_all_makes_it_well_again(hung: Hung) -> None:
    hung.server.say("QPUSH mail x")
    hung.health.status()
    hung.now_s += STALL_S
    assert hung.health.status().word == "degraded"

    hung.journal.let_go.set()
    hung.server.settle()

    assert hung.health.status().word == "ok"


def test_commits_that_end_do_not_degrade_however_many_are_under_way(hung: Hung) -> None:
    hung.journal.let_go.set()
    for _ in range(3):
        hung.server.say("QPUSH mail x")
        hung.now_s += STALL_S
        assert hung.health.status().word == "ok"
        hung.server.settle()


def test_long_silence_does_not_degrade(hung: Hung) -> None:
    hung.health.status()
    hung.now_s += 1_000 * STALL_S

    assert hung.health.status().word == "ok"


def test_server_without_a_journal_cannot_hang_on_it(server: Beside) -> None:
    now_s = 1_000.0
    health = Health(server.core, lambda: now_s)
    server.say("QPUSH mail x")
    assert not server.core.is_settled
    assert health.status().word == "ok"

    now_s += STALL_S

    assert not server.core.is_settled
    assert health.status().word == "ok"


def test_loading_a_hanging_disk_is_still_loading(hung: Hung) -> None:
    hung.server.broker.loading = True

    assert hung.health.status().word == "loading"
