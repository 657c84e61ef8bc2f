import os
from pathlib import Path

import pytest

from respq.errors import DataDirectoryHeld, StartRefused
from respq.journal import directory as directory_module
from respq.journal.directory import DataDirectory


def test_a_missing_directory_is_made_with_those_above_it(tmp_path: Path) -> None:
    directory = DataDirectory(str(tmp_path / "a" / "b" / "c"), create=True)

    assert (tmp_path / "a" / "b" / "c" / "lock").is_file()
    directory.release()


def test_a_held_directory_is_refused_by_its_name_and_holder(tmp_path: Path) -> None:
    first = DataDirectory(str(tmp_path), create=True)

    with pytest.raises(DataDirectoryHeld) as caught:
        DataDirectory(str(tmp_path), create=True)

    assert f"'{tmp_path}' is held by another process (pid {os.getpid()})" in str(caught.value)
    first.release()


def test_a_released_directory_can_be_taken_again(tmp_path: Path) -> None:
    DataDirectory(str(tmp_path), create=True).release()

    DataDirectory(str(tmp_path), create=True).release()


def test_the_pid_of_a_process_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1234567890 and more\n")

    DataDirectory(str(tmp_path), create=True).release()

    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("name", ["notes.txt", "segment-1", "segment-00000001.old", "Tail"])
def test_a_directory_with_strangers_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("somebody's")

    with pytest.raises(StartRefused, match=f"holds '{name}', which is not respq's"):
        DataDirectory(str(tmp_path), create=True)

    assert os.listdir(tmp_path) == [name]


def test_the_ballast_is_no_stranger_and_stays_where_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "ballast").write_bytes(bytes(4_096))

    DataDirectory(str(tmp_path), create=True).release()

    assert (tmp_path / "ballast").stat().st_size == 4_096


@pytest.mark.parametrize(("free", "stays"), [(4_096, True), (4_095, False), (0, False)])
def test_the_ballast_makes_room_for_a_start_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, stays: bool
) -> None:
    (tmp_path / "ballast").write_bytes(bytes(4_096))
    monkeypatch.setattr(directory_module, "free_bytes", lambda path: free)

    DataDirectory(str(tmp_path), create=True).release()

    assert (tmp_path / "ballast").exists() is stays


def test_a_reader_leaves_the_ballast_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DataDirectory(str(tmp_path), create=True).release()
    (tmp_path / "ballast").write_bytes(bytes(4_096))
    monkeypatch.setattr(directory_module, "free_bytes", lambda path: 0)

    DataDirectory(str(tmp_path), create=False).release()

    assert (tmp_path / "ballast").exists()


@pytest.mark.parametrize("name", [".snapshot", "lost+found"])
def test_habits_of_file_systems_are_no_strangers(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()

    DataDirectory(str(tmp_path), create=True).release()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StartRefused, match="cannot be used: Not a directory"):
        DataDirectory(str(tmp_path / "file"), create=True)


def test_a_path_with_a_variable_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELSEWHERE", "/elsewhere")

    with pytest.raises(StartRefused, match="name of a variable"):
        DataDirectory(str(tmp_path / "$ELSEWHERE"), create=True)


def test_a_reader_makes_nothing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StartRefused):
            DataDirectory(str(path), create=False)

    assert os.listdir(tmp_path) == []


def test_a_reader_leaves_the_pid_of_the_last_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("41\n")

    DataDirectory(str(tmp_path), create=False).release()

    assert (tmp_path / "lock").read_text() == "41\n"


def test_segments_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (100_000_000, 2, 10, 99_999_999):
        (tmp_path / f"segment-{number:08}").mkdir()
    directory = DataDirectory(str(tmp_path), create=True)

    assert directory.segment_numbers() == [2, 10, 99_999_999, 100_000_000]
    assert os.path.isdir(directory.segment_path(100_000_000))
    directory.release()


def test_leftovers_are_cleared_and_segments_kept(tmp_path: Path) -> None:
    for name in ("segment-00000001.retired", "segment-00000002", "segment-00000003.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cache.db").write_text("")
    directory = DataDirectory(str(tmp_path), create=True)

    directory.clear_leftovers()

    assert sorted(os.listdir(tmp_path)) == ["lock", "segment-00000002"]
    directory.release()


def test_who_does_not_hold_a_directory_is_in_nobodys_way(tmp_path: Path) -> None:
    held = DataDirectory(str(tmp_path), create=True)

    for _ in range(2):
        assert DataDirectory(str(tmp_path), create=False, hold=False).segment_numbers() == []
    held.release()
    DataDirectory(str(tmp_path), create=False, hold=False)
    DataDirectory(str(tmp_path), create=True).release()
