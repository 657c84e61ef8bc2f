"""The room on the disk of the journal, looked at in a thread of its own: a disk may be slow.

    in use ►│                     │ back       │ floor              │ ballast            │
            ├─────────────────────┴────────────┴────────────────────┼─────────┬──────────┤
               all is taken         as before    growth is refused    for acks  for a start

Under the floor what makes the state grow is refused, by whoever looks at `is_short`; what ends
jobs goes on, and has the floor's room. At `back`, a quarter above it, growth is taken again. The
ballast counts as if it were whole and in its place, so that to give it up ends no shortage. Half
of it is given up when hardly anything is left, and it is made anew when there is room again.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Final

from respq.journal.ballast import Ballast

LOOK_S: Final = 0.1
NEAR_LOOK_S: Final = 0.02
"""Near the floor: in so long a fast disk writes some 20 MB, much less than the floor is by default.
"""
_NEAR: Final = 4
"""How many times the floor is near it."""
_STOP_S: Final = 1.0
"""How long the end waits for a look that hangs."""


class Space:
    """Looks at the free space and after the ballast; plain numbers, read by others."""

    def __init__(
        self,
        ballast: Ballast,
        floor_bytes: int,
        report: Callable[[str], None],
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        """Look at nothing yet.

        Args:
            ballast: what to look after.
            floor_bytes: free space under which the disk is short; 0 for never.
            report: called with a sentence, from the thread, when something becomes of the
                ballast.
            free_bytes: tells how much can be written; by default it asks the file system.
        """
        self.floor_bytes = floor_bytes
        self.back_bytes = max(floor_bytes + floor_bytes // 4, ballast.size_bytes)
        """Room from which on the disk is short no more."""
        self.room_bytes = 0
        """What is free, or would be if the ballast were whole."""
        self.free_bytes = 0
        self.held_bytes = 0
        """What the ballast takes."""
        self.is_short = False
        self.tell_change: Callable[[], None] = _tell_nobody
        """Called, from the thread, when `is_short` has changed."""
        self._ballast = ballast
        self._free = free_bytes or ballast.free_bytes
        self._report = report
        self._can_make = True
        self._told = ""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="respq-space", daemon=True)

    def start(self) -> None:
        """Look again and again from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; what hangs is left alone."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def look(self) -> None:
        """Look once."""
        try:
            self._look()
            self._told = ""
        except OSError as error:
            # Whether the disk still takes anything the next commit will say.
            sentence = f"it is not known how much room the disk of the journal has: {error}"
            if sentence != self._told:
                self._told = sentence
                self._report(sentence)

    def _look(self) -> None:
        ballast = self._ballast
        free, held = self._free(), ballast.held_bytes()
        room = max(free + held - ballast.size_bytes, 0)
        has_room = room >= self.back_bytes
        was_short = self.is_short
        self.is_short = room < self.floor_bytes or (was_short and not has_room)
        if has_room and held != ballast.size_bytes and self._can_make:
            self._make()
        elif free < ballast.size_bytes // 2 < held:
            ballast.halve()
            self._report("the disk of the journal is full: half of the ballast was given up")
        self.free_bytes, self.held_bytes, self.room_bytes = free, held, room
        if was_short != self.is_short:
            self.tell_change()

    def _make(self) -> None:
        try:
            self._ballast.make()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return  # Others were faster: there will be room another time.
            self._can_make = False
            self._report(f"there is no ballast for a full disk: it cannot be made: {error}")

    def _run(self) -> None:
        while not self._stopped.wait(self._wait_s()):
            self.look()

    def _wait_s(self) -> float:
        is_near = not self.is_short and self.room_bytes < _NEAR * self.floor_bytes
        return NEAR_LOOK_S if is_near else LOOK_S


def _tell_nobody() -> None:
    """Tell nobody."""
