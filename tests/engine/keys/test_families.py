"""What every family of keys has to be."""

from __future__ import annotations

import gc
from typing import get_args

import pytest

from respq.engine.keys.families import BY_CODE, CHANGES, FAMILIES, KeyRecord
from respq.engine.keys.key import Key
from respq.engine.keys.value import Value


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_a_family_is_whole(family: type[Value]) -> None:
    value = family()

    parts = [getattr(family, name) for name in dir(Value) if not name.startswith("_")]
    assert not any(getattr(part, "__isabstractmethod__", False) for part in parts)
    assert family.of_pieces(value.pieces()).plain() == value.plain()
    assert not gc.is_tracked(value)
    assert not gc.is_tracked(Key(1, 0, b"name", 0, value))


def test_codes_and_names_of_families_are_told_apart() -> None:
    assert len(BY_CODE) == len({family.type_name for family in FAMILIES}) == len(FAMILIES)


def test_every_record_of_keys_says_what_it_does_and_to_which_key() -> None:
    records = {*get_args(KeyRecord)}

    assert CHANGES.keys() < records
    assert all(record.__struct_fields__[0] == "number" for record in CHANGES)
    tags = [record.__struct_config__.tag for record in records]
    assert len(tags) == len({*tags})
    assert all(70 <= tag < 150 for tag in tags)
