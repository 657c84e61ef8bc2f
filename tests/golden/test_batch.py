"""Batches as each released format wrote them: these files never change, and always load."""

from pathlib import Path

import pytest

from respq.engine.batch import FORMAT_VERSION, BatchHeader, decode_batch, encode_batch

FRAMES = Path(__file__).parent / "batch"

# format -> the batches of one chain, by the name of their file
EXPECTED: dict[int, list[tuple[str, BatchHeader, bytes]]] = {
    1: [
        (
            "1-first.bin",
            BatchHeader(
                version=1,
                position=1,
                epoch=1,
                now_ms=1_795_000_000_000,
                next_number=1,
                next_fence=1,
                next_order=1 << 62,
                record_count=1,
            ),
            b"the records of a batch",
        ),
        (
            "1-second.bin",
            BatchHeader(
                version=1,
                position=2,
                epoch=1,
                now_ms=1_795_000_000_250,
                next_number=2**64 - 1,
                next_fence=1_000_000,
                next_order=0,
                record_count=0,
            ),
            b"",
        ),
    ]
}


def test_every_released_format_has_its_files() -> None:
    assert set(EXPECTED) == set(range(1, FORMAT_VERSION + 1))
    names = {name for chain in EXPECTED.values() for name, *_ in chain}
    assert names == {path.name for path in FRAMES.iterdir()}


@pytest.mark.parametrize("version", EXPECTED)
def test_batches_of_a_released_format_load(version: int) -> None:
    previous = 0
    for name, header, body in EXPECTED[version]:
        found_header, found_body, previous = decode_batch((FRAMES / name).read_bytes(), previous)

        assert (found_header, found_body) == (header, body)


def test_this_version_writes_the_newest_format_as_it_was_released() -> None:
    previous = 0
    for name, header, body in EXPECTED[FORMAT_VERSION]:
        blob, previous = encode_batch(header, body, previous)

        assert blob == (FRAMES / name).read_bytes()
