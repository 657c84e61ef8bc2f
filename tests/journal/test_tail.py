from pathlib import Path

import pytest

from respq.errors import JournalBroken
from respq.journal.tail import (
    TAIL_BYTES,
    UNKNOWN_BOOT,
    Tail,
    TailFile,
    check_tail,
    read_boot,
    read_tail,
)

THIS, OTHER = b"this boot 012345", b"another boot 123"


def check(tail: Tail | None, last: int, held: int | None = None, boot: bytes = THIS) -> str:
    return check_tail(tail, last, lambda _: held, boot)


def test_the_record_has_the_bytes_that_were_released() -> None:
    tail = Tail(position=258, checksum=0xDEADBEEF, durable_position=257, boot=bytes(range(16)))

    assert tail.encode().hex() == (
        "0201000000000000" "efbeadde00000000" "0101000000000000"
        "000102030405060708090a0b0c0d0e0f" "65efe64500000000"
    )  # fmt: skip


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = str(tmp_path / "tail")
    file = TailFile(path)
    for position in (1, 2, 2**40):
        tail = Tail(position, 17, position - 1, THIS)
        file.write(tail)

        assert read_tail(path) == tail
    file.sync()
    file.close()


def test_a_missing_file_says_nothing(tmp_path: Path) -> None:
    assert read_tail(str(tmp_path / "tail")) is None


@pytest.mark.parametrize("length", [0, 1, TAIL_BYTES - 1, TAIL_BYTES + 1])
def test_a_record_of_another_length_is_torn(length: int) -> None:
    assert Tail.decode((Tail(1, 2, 1, THIS).encode() + b"\0")[:length]) is None


@pytest.mark.parametrize("place", range(TAIL_BYTES))
def test_a_flipped_byte_tears_the_record(place: int) -> None:
    damaged = bytearray(Tail(1, 2, 1, THIS).encode())
    damaged[place] ^= 0x10

    assert Tail.decode(bytes(damaged)) is None


def test_an_empty_journal_needs_no_tail() -> None:
    assert check(None, last=0) == ""


def test_batches_without_a_tail_are_refused() -> None:
    with pytest.raises(JournalBroken, match="tail file is missing or torn"):
        check(None, last=3)


def test_a_journal_that_ends_at_its_tail_is_whole() -> None:
    assert check(Tail(5, 77, 5, THIS), last=5, held=77) == ""


@pytest.mark.parametrize("boot", [THIS, OTHER])
def test_a_journal_that_goes_on_behind_its_tail_is_whole(boot: bytes) -> None:
    assert check(Tail(5, 77, 5, boot), last=9, held=77) == ""


@pytest.mark.parametrize("boot", [THIS, OTHER, UNKNOWN_BOOT])
def test_a_journal_that_ends_before_what_was_durable_is_refused(boot: bytes) -> None:
    with pytest.raises(JournalBroken, match="answered for goes on to 5") as caught:
        check(Tail(5, 77, 5, boot), last=4)

    assert caught.value.position == 5


def test_the_end_of_a_process_takes_nothing_in_any_mode() -> None:
    with pytest.raises(JournalBroken, match="answered for goes on to 5"):
        check(Tail(5, 77, durable_position=2, boot=THIS), last=3)


def test_the_end_of_the_machine_may_take_what_was_not_durable() -> None:
    tail = Tail(5, 77, durable_position=3, boot=OTHER)

    assert check(tail, last=3) == (
        "what came after position 3, up to 5, went with the machine, "
        "as --fsync everysec and no allow"
    )
    with pytest.raises(JournalBroken):
        check(tail, last=2)


@pytest.mark.parametrize(("written", "read"), [(UNKNOWN_BOOT, THIS), (THIS, UNKNOWN_BOOT)])
def test_a_machine_that_does_not_tell_its_boot_excuses_nothing(written: bytes, read: bytes) -> None:
    with pytest.raises(JournalBroken):
        check(Tail(5, 77, durable_position=3, boot=written), last=4, boot=read)


@pytest.mark.parametrize("held", [78, None])
def test_another_batch_in_the_place_of_the_answered_one_is_refused(held: int | None) -> None:
    with pytest.raises(JournalBroken, match="not the batch that was answered for") as caught:
        check(Tail(5, 77, 5, THIS), last=9, held=held)

    assert caught.value.position == 5


@pytest.mark.parametrize("position", [4, 5, 7])
def test_only_the_batch_right_behind_the_tail_was_never_answered(position: int) -> None:
    tail = Tail(5, 77, 5, THIS)

    assert tail.proves_unanswered(6, THIS)
    assert not tail.proves_unanswered(position, THIS)


def test_after_the_end_of_the_machine_no_batch_is_proven_unanswered() -> None:
    assert not Tail(5, 77, 5, OTHER).proves_unanswered(6, THIS)
    assert not Tail(5, 77, 5, UNKNOWN_BOOT).proves_unanswered(6, UNKNOWN_BOOT)


def test_a_boot_has_one_name() -> None:
    assert read_boot() == read_boot()
    assert len(read_boot()) == len(UNKNOWN_BOOT)
