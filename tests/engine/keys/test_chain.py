"""The row of items that lists stand on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from respq.engine.keys import chain as module
from respq.engine.keys.chain import BLOCK, END_MAX, Chain


@pytest.fixture(params=[1, 2, 8])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", request.param)
    monkeypatch.setattr(module, "END_MAX", 2 * request.param)


def changes(draw: random.Random, chain: Chain, plain: list[bytes]) -> Iterator[None]:
    """Change both in the same way, again and again."""
    for _ in range(400):
        items = [b"%d" % draw.randrange(5) for _ in range(draw.choice([1, 1, 2, 9]))]
        some = draw.choice([1, 1, draw.randint(1, max(1, len(plain)))])
        place = draw.randrange(len(plain)) if plain else 0
        match draw.randrange(9) if plain else 0:
            case 0 | 1:
                chain.append(items)
                plain += items
            case 2 | 3:
                chain.prepend(items)
                plain[:0] = reversed(items)
            case 4:
                chain.drop_first(some)
                del plain[:some]
            case 5:
                chain.drop_last(some)
                del plain[len(plain) - some :]
            case 6:
                chain.replace(place, items[0])
                plain[place] = items[0]
            case 7:
                place = draw.choice([place, len(plain)])
                chain.insert(place, items[0])
                plain.insert(place, items[0])
            case 8:
                places = sorted(draw.sample(range(len(plain)), (some + 2) // 3))
                chain.remove(places)
                for each in reversed(places):
                    del plain[each]
        yield


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(8))
def test_it_is_what_a_python_list_is(seed: int) -> None:
    draw = random.Random(seed)
    chain, plain = Chain(), list[bytes]()

    for _ in changes(draw, chain, plain):
        chain.check()
        assert [*chain] == plain
        assert len(chain) == len(plain)
        if not plain:
            continue
        assert (chain.first, chain.last) == (plain[0], plain[-1])
        place = draw.randrange(len(plain))
        assert chain.item(place) == plain[place]
        start, stop = sorted(draw.randint(0, len(plain)) for _ in range(2))
        assert chain.slice(start, stop) == plain[start:stop]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(4))
def test_an_item_is_found_from_either_end_as_far_as_is_wanted(seed: int) -> None:
    draw = random.Random(seed)
    chain, plain = Chain(), list[bytes]()

    for _ in changes(draw, chain, plain):
        limit = draw.randint(1, max(1, len(plain)))
        places = [place for place, item in enumerate(plain) if item == b"1"]
        first = [place for place in places if place < limit]
        last = [place for place in reversed(places) if place >= len(plain) - limit]
        assert [*chain.places_of(b"1", limit)] == first
        assert [*chain.places_of(b"1", limit, backward=True)] == last


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(4))
def test_runs_that_were_taken_stay_as_they_were(seed: int) -> None:
    draw = random.Random(seed)
    chain, plain = Chain(), list[bytes]()
    taken = []

    for number, _ in enumerate(changes(draw, chain, plain)):
        if number % 20 == 0:
            taken.append((chain.runs(), [*plain]))

    for runs, before in taken:
        assert [item for run in runs for item in run] == before


def test_blocks_that_are_dropped_come_out_to_be_freed() -> None:
    chain = Chain()
    chain.append([b"x"] * 20 * BLOCK)

    first, last = chain.drop_first(8 * BLOCK), chain.drop_last(8 * BLOCK)

    assert chain.drop_first() == chain.drop_last() == ()
    assert len(first) > 6
    assert len(last) > 6
    assert sum(len(block.items) for block in (*first, *last)) + len(chain) <= 20 * BLOCK
    chain.check()


def test_what_is_taken_out_leaves_no_crumbs() -> None:
    chain = Chain()
    chain.append([b"%d" % (number % 100) for number in range(100 * BLOCK)])

    for number in range(1, 100):
        chain.remove([*chain.places_of(b"%d" % number, len(chain))])

    chain.check()
    assert len(chain) == BLOCK
    assert len(chain.blocks) <= 2


def test_ends_that_are_taken_from_in_turn_do_not_move_all_items_each_time() -> None:
    chain = Chain()
    chain.append([b"x"] * END_MAX)
    moved = 0
    while len(chain) > 1:
        before = len(chain.front)
        chain.drop_first()
        moved += max(0, len(chain.front) + 1 - before)
        before = len(chain.back)
        chain.drop_last()
        moved += max(0, len(chain.back) + 1 - before)

    assert moved < 4 * END_MAX


def test_it_lets_go_of_its_items_in_slices() -> None:
    chain = Chain()
    chain.append([b"x"] * 10 * BLOCK)
    chain.prepend([b"y"] * 100)

    left = []
    while chain.free(64):
        left.append(sum(map(len, chain.runs())))

    assert left == sorted(left, reverse=True)
    assert len(left) > 10
    assert [*chain] == []


def test_a_million_items_stall_nothing() -> None:
    """The bounds are some twenty times what it takes: a machine may halt."""
    chain = Chain()
    for _ in range(100):
        chain.append([b"x"] * 10_000)
    middle = len(chain) // 2

    def duration_s() -> float:
        began_s = time.perf_counter()
        chain.prepend([b"y"])
        chain.append([b"y"])
        chain.drop_first()
        chain.drop_last()
        chain.item(middle)
        chain.slice(middle, middle + 10)
        chain.replace(middle, b"z")
        chain.insert(middle, b"z")
        chain.remove([middle])
        chain.runs()
        return time.perf_counter() - began_s

    assert min(duration_s() for _ in range(10)) < 0.01
