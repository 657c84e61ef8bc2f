"""Play hours of traffic and faults in seconds: ``python -m tests.simulation.run SEED``.

Without a seed it goes on from a random one until a run fails; ``make simulate`` does that. A
failure tells the seed: the same seed is the same run, up to the very event.
"""

from __future__ import annotations

import argparse
import sys
import time
from random import SystemRandom

from tests.simulation.laws import Broken
from tests.simulation.world import World

HOURS = 3.0


def play(seed: int, hours: float, check_every: int = 1) -> World:
    """Play one run; raise `Broken`, which tells the seed and the step, if a law does not hold."""
    world = World(seed, hours, check_every)
    try:
        world.run()
    except Broken as broken:
        raise Broken(
            f"seed {seed}, step {world.steps}, {world.timeline.now_s:.3f} s: {broken}\n"
            f"again: python -m tests.simulation.run {seed} --hours {hours}"
        ) from broken
    except Exception as error:
        # What nobody foresaw, in the server or here.
        raise Broken(
            f"seed {seed}, step {world.steps}, {world.timeline.now_s:.3f} s: "
            f"{type(error).__name__}: {error}\n"
            f"again: python -m tests.simulation.run {seed} --hours {hours}"
        ) from error
    return world


def summary(world: World, elapsed_s: float) -> str:
    """Return what happened, in a line or two."""
    told = ", ".join(f"{count} {what}" for what, count in sorted(world.count.items()))
    return (
        f"seed {world.seed}: {world.timeline.now_s / 3_600:.1f} hours in {elapsed_s:.1f} s, "
        f"{world.steps} steps, --fsync {world.settings.fsync}\n  {told}\n"
        f"  digest {world.digest.hexdigest()}\n"
    )


def main() -> int:
    """Play one seed, or one after the other until a law is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int, nargs="?")
    parser.add_argument("--hours", type=float, default=HOURS)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else SystemRandom().randrange(1 << 30)
    while True:
        began_s = time.monotonic()
        try:
            world = play(seed, arguments.hours)
        except Broken as broken:
            sys.stdout.write(f"{broken}\n")
            return 1
        sys.stdout.write(summary(world, time.monotonic() - began_s))
        sys.stdout.flush()
        if arguments.seed is not None:
            return 0
        seed += 1


if __name__ == "__main__":
    raise SystemExit(main())
