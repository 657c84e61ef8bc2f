"""Mutate streams until one is read otherwise than it should be: ``make fuzz ARGS=SEED``."""

from __future__ import annotations

import random
import sys
import time

from tests.fuzz.parser import check_round

REPORT_EVERY_S = 10


def main(arguments: list[str]) -> None:
    """Check rounds from a seed on, for ever."""
    seed = int(arguments[0]) if arguments else random.SystemRandom().randrange(2**32)
    write = sys.stdout.write
    write(f"seed {seed}\n")
    byte_count, next_report_s = 0, time.monotonic() + REPORT_EVERY_S
    first = seed
    while True:
        try:
            byte_count += check_round(seed)
        except Exception:
            write(f"broken by seed {seed}\n")
            raise
        seed += 1
        if time.monotonic() > next_report_s:
            write(f"{seed - first} rounds, {byte_count} bytes, next seed {seed}\n")
            sys.stdout.flush()
            next_report_s += REPORT_EVERY_S


main(sys.argv[1:])
