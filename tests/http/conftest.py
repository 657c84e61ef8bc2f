from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.http.beside import Beside


@pytest.fixture
def server() -> Iterator[Beside]:
    """A server that keeps no journal."""
    beside = Beside()
    yield beside
    beside.close()
