from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings

from tests.harness import Harness, image

# How long an example takes says something of the machine, and nothing of respq. CI tries the same
# examples each time, so that a change is judged by what it changes; a person's run tries new ones.
settings.register_profile(
    "respq",
    deadline=None,
    derandomize="CI" in os.environ,
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
)
settings.load_profile("respq")


@pytest.fixture
def harness() -> Iterator[Harness]:
    """A harness whose journal must rebuild the state that the test leaves."""
    harness = Harness()

    yield harness

    replayed, now_ms = harness.replayed(), harness.now_ms
    assert image(replayed, now_ms) == harness.image()
    assert replayed.trimmed is not None or replayed.passed_over == 0
    assert harness.errors == []
    # So it is when part of the journal was forgotten, and when all that the test wrote was; and
    # wherever payloads are meanwhile.
    harness.lets_go = True
    harness.let_go()
    for batches in (len(harness.journal) // 2, len(harness.journal)):
        harness.compact(batches)
        replayed = harness.replayed()
        assert image(replayed, now_ms) == harness.image()
