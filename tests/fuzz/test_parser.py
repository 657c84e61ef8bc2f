import pytest

from tests.fuzz.parser import check_round

ROUNDS = 40


@pytest.mark.parametrize("first_seed", range(0, 400, ROUNDS))
def test_a_mutated_stream_gives_the_same_requests_however_it_is_cut(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + ROUNDS):
        assert check_round(seed) > 0
