import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.batch import (
    HEADER_BYTES,
    BatchHeader,
    BrokenBatch,
    NewerFormat,
    Unchained,
    decode_batch,
    encode_batch,
    stored_checksum,
)

UNSIGNED = st.integers(min_value=0, max_value=2**64 - 1)
HEADERS = st.builds(
    BatchHeader, st.just(1), UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED, UNSIGNED
)
HEADER = BatchHeader(
    version=1,
    position=7,
    epoch=2,
    now_ms=1_790_000_000_000,
    next_number=40,
    next_fence=41,
    next_order=42,
    record_count=3,
)


@given(header=HEADERS, body=st.binary(max_size=300), previous=st.integers(0, 2**32 - 1))
def test_a_batch_is_read_as_it_was_written(header: BatchHeader, body: bytes, previous: int) -> None:
    blob, checksum = encode_batch(header, body, previous)

    assert decode_batch(blob, previous) == (header, body, checksum)
    assert stored_checksum(blob) == checksum


@given(body=st.binary(max_size=40), data=st.data())
def test_one_flipped_bit_anywhere_is_found(body: bytes, data: st.DataObject) -> None:
    blob, _ = encode_batch(HEADER, body, 5)
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    damaged = bytearray(blob)
    damaged[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BrokenBatch) as caught:
        decode_batch(bytes(damaged), 5)

    assert type(caught.value) is BrokenBatch


@pytest.mark.parametrize("length", [0, 1, 16, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 9])
def test_a_batch_that_was_cut_off_is_broken(length: int) -> None:
    blob, _ = encode_batch(HEADER, b"0123456789", 5)

    with pytest.raises(BrokenBatch):
        decode_batch(blob[:length], 5)


def test_bytes_behind_a_batch_break_it() -> None:
    blob, _ = encode_batch(HEADER, b"body", 5)

    with pytest.raises(BrokenBatch, match="checksum"):
        decode_batch(blob + b"\0", 5)


def test_a_batch_that_follows_another_is_told_from_a_damaged_one() -> None:
    blob, _ = encode_batch(HEADER, b"body", 5)

    with pytest.raises(Unchained, match="follows a batch with checksum 00000005") as caught:
        decode_batch(blob, 6)

    assert caught.value.header == HEADER


def test_a_batch_read_on_its_own_needs_no_previous_checksum() -> None:
    blob, checksum = encode_batch(HEADER, b"body", 5)

    assert decode_batch(blob, None) == (HEADER, b"body", checksum)


def test_equal_bodies_behind_different_batches_have_different_checksums() -> None:
    assert encode_batch(HEADER, b"body", 5)[1] != encode_batch(HEADER, b"body", 6)[1]


def test_a_newer_format_is_refused_by_its_name() -> None:
    newer = BatchHeader(2, 7, 2, 0, 0, 0, 0, 0)
    blob, _ = encode_batch(newer, b"fields of the future", 5)

    with pytest.raises(NewerFormat, match="it has format 2, this respq reads up to 1"):
        decode_batch(blob, 5)


def test_a_damaged_newer_format_is_damage() -> None:
    blob, _ = encode_batch(BatchHeader(2, 7, 2, 0, 0, 0, 0, 0), b"body", 5)

    with pytest.raises(BrokenBatch, match="checksum") as caught:
        decode_batch(blob[:-1] + b"Y", 5)

    assert not isinstance(caught.value, NewerFormat)


def test_format_zero_is_broken() -> None:
    blob, _ = encode_batch(BatchHeader(0, 7, 2, 0, 0, 0, 0, 0), b"", 5)

    with pytest.raises(BrokenBatch, match="format 0"):
        decode_batch(blob, 5)


def test_too_few_bytes_carry_no_checksum() -> None:
    assert stored_checksum(b"fifteen bytes..") is None
