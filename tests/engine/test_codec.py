from __future__ import annotations

from contextlib import suppress
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from respq.engine.codec import (
    UnreadableRecord,
    decode_body,
    decode_records,
    encode_records,
    transactions,
)
from respq.engine.records import AnyRecord, JobsAcked, JobTouched, Record
from respq.engine.state import APPLY

KINDS: tuple[type[Record], ...] = get_args(AnyRecord)
PLAIN = {
    int: st.integers(-(2**63), 2**64 - 1),
    bytes: st.binary(max_size=20),
    str: st.text(max_size=20),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
}


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for everything that a field so annotated may hold."""
    if annotation in PLAIN:
        return PLAIN[annotation]
    if annotation is Any:  # In pieces of values.
        return st.one_of(PLAIN[int], PLAIN[bytes], st.lists(PLAIN[bytes], max_size=2))
    if isinstance(annotation, UnionType):
        return st.one_of(*map(values, get_args(annotation)))
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=4)
    if origin is tuple and arguments[-1] is ...:
        return st.lists(values(arguments[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return st.dictionaries(*map(values, arguments), max_size=4)
    assert issubclass(annotation, msgspec.Struct)
    return structs(annotation)


def structs(kind: type[Any]) -> st.SearchStrategy[Any]:
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


RECORDS = st.one_of([structs(kind) for kind in KINDS])


@given(st.lists(RECORDS, max_size=5))
def test_what_was_encoded_comes_back(records: list[Record]) -> None:
    assert decode_records(encode_records(records, [])) == records


@given(st.lists(st.integers(1, 5), max_size=20))
def test_transactions_come_back_as_they_were(lengths: list[int]) -> None:
    records: list[Record] = []
    sizes: list[int] = []
    for length in lengths:
        if length > 1:
            sizes += (len(records), length)
        records += [JobsAcked(1, [len(records) + each]) for each in range(length)]

    body = encode_records(records, sizes)

    assert list(map(len, transactions(body))) == lengths
    assert [record for one in transactions(body) for record in one] == records
    assert decode_body(body) == (records, sizes)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_body_raise_nothing_but_the_refusal(garbage: bytes) -> None:
    with suppress(UnreadableRecord):
        records, sizes = decode_body(garbage)
        assert encode_records(records, sizes)


@given(st.data())
def test_a_body_cut_short_is_refused(data: st.DataObject) -> None:
    body = encode_records([JobTouched(1, 2, 1 << 40), JobsAcked(1, [2])], [0, 2])
    cut = data.draw(st.integers(0, len(body) - 1))

    with pytest.raises(UnreadableRecord):
        decode_body(body[:cut])


def test_a_record_of_an_unknown_kind_is_refused() -> None:
    class FromTheFuture(Record, tag=99):
        queue: int

    with pytest.raises(UnreadableRecord, match="99"):
        decode_body(encode_records([FromTheFuture(1)], []))


def test_a_field_of_another_type_is_refused() -> None:
    with pytest.raises(UnreadableRecord):
        decode_body(msgspec.msgpack.encode(([[24, 1, "two"]], [])))


def test_every_kind_is_applied_and_has_a_tag_of_its_own() -> None:
    tags = [kind.__struct_config__.tag for kind in KINDS]

    assert set(APPLY) == set(KINDS)
    assert len(set(tags)) == len(tags)
