from __future__ import annotations

import errno
from pathlib import Path

import pytest

from respq.journal import ballast as ballast_module
from respq.journal.ballast import Ballast, free_bytes

SIZE = 256 * 1024


@pytest.fixture
def ballast(tmp_path: Path) -> Ballast:
    return Ballast(str(tmp_path / "ballast"), SIZE)


def blocks(ballast: Ballast) -> int:
    return Path(ballast.path).stat().st_blocks * 512


def test_it_takes_the_room_that_it_says(ballast: Ballast) -> None:
    assert ballast.held_bytes() == 0

    ballast.make()
    ballast.make()

    assert ballast.held_bytes() == SIZE
    assert blocks(ballast) >= SIZE


def test_half_of_it_can_be_given_up_once(ballast: Ballast) -> None:
    ballast.make()

    ballast.halve()
    ballast.halve()

    assert ballast.held_bytes() == SIZE // 2
    assert blocks(ballast) < SIZE
    ballast.make()
    assert ballast.held_bytes() == SIZE


def test_all_of_it_can_be_given_up(ballast: Ballast) -> None:
    ballast.make()

    ballast.remove()
    ballast.remove()

    assert ballast.held_bytes() == 0


@pytest.mark.parametrize("held", [0, SIZE // 2])
def test_one_that_cannot_be_made_leaves_what_was_there(
    ballast: Ballast, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    def fail(file: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if held:
        ballast.make()
        ballast.halve()
    monkeypatch.setattr(ballast_module, "_reserve", fail)

    with pytest.raises(OSError, match="No space left"):
        ballast.make()

    assert ballast.held_bytes() == held


def test_the_free_space_is_that_of_the_file_system(ballast: Ballast, tmp_path: Path) -> None:
    free = free_bytes(str(tmp_path))

    assert free > 0
    assert abs(ballast.free_bytes() - free) < 1 << 30
