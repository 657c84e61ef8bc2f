from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import Harness, image


@pytest.fixture
def harness() -> Iterator[Harness]:
    """A harness whose journal must rebuild the state that the test leaves."""
    harness = Harness()

    yield harness

    replayed = harness.replayed()
    assert image(replayed) == image(harness.engine.state)
    # A change of an object that is not there would keep the server from starting.
    assert replayed.passed_over == 0
    assert harness.errors == []
