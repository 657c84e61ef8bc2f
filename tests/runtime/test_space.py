from __future__ import annotations

import errno
from pathlib import Path

import pytest

from respq.journal import ballast as ballast_module
from respq.journal.ballast import Ballast
from respq.runtime import space as space_module
from respq.runtime.space import LOOK_S, NEAR_LOOK_S, Space

KIB = 1024


class Disk:
    """A disk of which the ballast takes a part, and the test says how much others take."""

    def __init__(self, directory: Path, *, floor: int = 400 * KIB, ballast: int = 80 * KIB) -> None:
        self.path = directory / "ballast"
        self.ballast = Ballast(str(self.path), ballast)
        self.reports: list[str] = []
        self.others = 0
        self.size = 1_000 * KIB
        self.space = Space(self.ballast, floor, self.reports.append, self.free)

    def free(self) -> int:
        return max(0, self.size - self.others - self.ballast.held_bytes())

    def look(self, room: int) -> bool:
        """Look when there is so much room beside a whole ballast; return whether it is short."""
        self.others = self.size - room - self.ballast.size_bytes
        self.space.look()
        return self.space.is_short


def test_the_disk_is_short_under_the_floor_until_there_is_a_quarter_more(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    rooms = [900, 400, 399, 400, 499, 500, 400, 0, 499, 900]

    found = [disk.look(room * KIB) for room in rooms]

    assert found == [False, False, True, True, True, False, False, True, True, False]


def test_a_byte_under_the_floor_is_short(tmp_path: Path) -> None:
    disk = Disk(tmp_path)

    assert not disk.look(400 * KIB)
    assert disk.look(400 * KIB - 1)
    assert disk.look(500 * KIB - 1)
    assert not disk.look(500 * KIB)


def test_the_ballast_is_made_where_there_is_room_and_not_before(tmp_path: Path) -> None:
    disk = Disk(tmp_path)

    disk.look(499 * KIB)
    assert not disk.path.exists()
    disk.look(500 * KIB)

    assert disk.path.stat().st_size == 80 * KIB
    assert disk.path.stat().st_blocks * 512 >= 80 * KIB
    disk.look(500 * KIB)
    assert disk.space.held_bytes == 80 * KIB
    assert disk.space.free_bytes == disk.space.room_bytes == 500 * KIB


def test_half_of_the_ballast_is_given_up_when_hardly_anything_is_left(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.look(900 * KIB)

    disk.look(40 * KIB)
    assert disk.path.stat().st_size == 80 * KIB
    disk.look(40 * KIB - 1)

    assert disk.path.stat().st_size == 40 * KIB
    assert disk.reports == ["the disk of the journal is full: half of the ballast was given up"]
    for _ in range(3):
        disk.look(0)
    assert disk.path.stat().st_size == 40 * KIB
    assert len(disk.reports) == 1


def test_to_give_up_ballast_ends_no_shortage_and_to_make_it_begins_none(tmp_path: Path) -> None:
    disk = Disk(tmp_path, floor=0, ballast=300 * KIB)
    disk.space.floor_bytes = disk.space.back_bytes = 100 * KIB
    disk.look(600 * KIB)

    assert disk.look(0)
    assert disk.free() == 150 * KIB
    assert disk.look(0)
    assert not disk.look(100 * KIB)
    assert disk.path.stat().st_size == 300 * KIB
    assert not disk.look(100 * KIB)


def test_the_ballast_is_made_anew_when_there_is_room_again(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.look(900 * KIB)
    disk.look(0)

    disk.look(499 * KIB)
    assert disk.path.stat().st_size == 40 * KIB
    disk.look(500 * KIB)

    assert disk.path.stat().st_size == 80 * KIB


def test_a_floor_of_zero_is_never_reached_and_the_ballast_is_there(tmp_path: Path) -> None:
    disk = Disk(tmp_path, floor=0)
    disk.look(900 * KIB)
    assert disk.path.stat().st_size == 80 * KIB

    assert not disk.look(0)

    assert disk.path.stat().st_size == 40 * KIB


@pytest.mark.parametrize(("ballast", "left"), [(0, None), (8 * KIB, 8 * KIB)])
def test_a_ballast_that_is_to_be_smaller_shrinks(
    tmp_path: Path, ballast: int, left: int | None
) -> None:
    Disk(tmp_path).look(900 * KIB)

    disk = Disk(tmp_path, ballast=ballast)
    disk.look(900 * KIB)

    assert (disk.path.stat().st_size if disk.path.exists() else None) == left


def test_where_no_ballast_can_be_made_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(ballast_module, "_reserve", refuse)
    disk = Disk(tmp_path)

    found = [disk.look(room * KIB) for room in (900, 900, 399)]

    assert found == [False, False, True]
    (report,) = disk.reports
    assert report.startswith("there is no ballast for a full disk: it cannot be made: ")


def test_a_ballast_for_which_others_left_no_room_is_made_another_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    disk = Disk(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(ballast_module, "_reserve", fail)
        disk.look(900 * KIB)
    assert disk.ballast.held_bytes() == 0

    disk.look(900 * KIB)

    assert disk.ballast.held_bytes() == 80 * KIB
    assert disk.reports == []


def test_a_disk_that_says_nothing_is_as_it_was_and_that_is_said_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.look(399 * KIB)
    free = disk.space._free

    def fail() -> int:
        raise OSError(errno.EIO, "Input/output error")

    for _ in range(2):
        disk.space._free = fail
        assert disk.look(900 * KIB)
        assert disk.look(900 * KIB)
        disk.space._free = free
        disk.look(399 * KIB)

    assert len(disk.reports) == 2
    assert "it is not known how much room" in disk.reports[0]


def test_a_change_is_told_at_once_and_nothing_else(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    told: list[bool] = []
    disk.space.tell_change = lambda: told.append(disk.space.is_short)

    for room in (900, 399, 300, 499, 500, 900):
        disk.look(room * KIB)

    assert told == [True, False]


@pytest.mark.parametrize(
    ("room", "wait_s"), [(1_600, LOOK_S), (1_599, NEAR_LOOK_S), (400, NEAR_LOOK_S), (399, LOOK_S)]
)
def test_it_looks_more_often_near_the_floor(tmp_path: Path, room: int, wait_s: float) -> None:
    disk = Disk(tmp_path)
    disk.size = 5_000 * KIB
    disk.look(room * KIB)

    assert disk.space._wait_s() == wait_s


def test_it_looks_by_itself_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOOK_S", "NEAR_LOOK_S"):
        monkeypatch.setattr(space_module, name, 0.0)
    disk = Disk(tmp_path)
    disk.space.start()
    while not disk.space.held_bytes:
        pass

    disk.space.stop()

    assert not disk.space._thread.is_alive()


def test_one_that_never_began_is_stopped_at_once(tmp_path: Path) -> None:
    Disk(tmp_path).space.stop()
