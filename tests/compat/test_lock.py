"""The lock of redis-py, which is three scripts, on a server of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import LockError, LockNotOwnedError

from tests.server_process import ServerProcess

LONG_S = 1_000


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with ServerProcess(None) as server:
        yield server


@pytest.fixture(params=[2, 3])
def client(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with redis.Redis(port=server.port, protocol=request.param) as client:
        client.flushall()
        client.script_flush()
        yield client


def test_one_holds_it_at_a_time(client: redis.Redis) -> None:
    first, second = client.lock("lock", timeout=LONG_S), client.lock("lock", timeout=LONG_S)

    assert first.acquire()
    assert not second.acquire(blocking=False)
    first.release()
    assert second.acquire(blocking=False)


def test_it_can_be_prolonged_by_who_holds_it(client: redis.Redis) -> None:
    lock = client.lock("lock", timeout=LONG_S)
    lock.acquire()

    assert lock.extend(LONG_S)
    assert client.ttl("lock") > LONG_S
    assert lock.extend(10, replace_ttl=True)
    assert client.ttl("lock") <= 10
    assert lock.reacquire()
    assert client.ttl("lock") > 10


def test_it_is_not_released_by_another(client: redis.Redis) -> None:
    lock = client.lock("lock", timeout=LONG_S)
    lock.acquire()
    client.set("lock", "stolen")

    with pytest.raises(LockNotOwnedError):
        lock.release()
    assert client.get("lock") == b"stolen"
    with pytest.raises(LockError):
        lock.release()


def test_its_scripts_are_sent_again_when_the_server_has_forgotten_them(
    client: redis.Redis,
) -> None:
    lock = client.lock("lock", timeout=LONG_S)
    lock.acquire()
    client.script_flush()

    lock.release()

    assert client.get("lock") is None


def test_a_script_runs_in_a_pipeline(client: redis.Redis) -> None:
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")

    with client.pipeline() as pipeline:
        pipeline.set("n", 1)
        script(keys=["n"], args=[5], client=pipeline)
        assert pipeline.execute() == [True, 6]
