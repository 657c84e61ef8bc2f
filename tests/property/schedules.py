"""When schedules fire, counted out slot by slot."""

from __future__ import annotations

from dataclasses import dataclass

CATCHUP_MAX = 1_000
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Rhythm:
    every_ms: int
    """0 for each minute, by cron."""
    start_ms: int = 0
    end_ms: int = 0
    """0 for none."""

    def first(self, now_ms: int) -> int:
        """Return the first slot after now, whatever the end is."""
        if not self.every_ms:
            return (max(now_ms, self.start_ms - 1) // MINUTE_MS + 1) * MINUTE_MS
        slot_ms = self.start_ms or now_ms + self.every_ms
        while slot_ms <= now_ms:
            slot_ms += self.every_ms
        return slot_ms


@dataclass(eq=False)
class ModelSchedule:
    payload: str
    rhythm: Rhythm
    next_ms: int
    """The slot that it waits for."""
    catchup: str
    runs_max: int
    """0 for no limit."""
    jitter_ms: int
    skips: bool
    """Whether a slot is skipped while the job of the one before is to be done."""
    runs: int = 0
    skipped: int = 0
    paused: bool = False
    last: object = None
    """Its latest job, a `ModelJob`."""

    def slot_after(self, after_ms: int) -> int:
        """Return the first slot after an instant that is not before the next one; 0 for none."""
        slot_ms = self.next_ms
        while slot_ms <= after_ms:
            slot_ms += self.rhythm.every_ms or MINUTE_MS
        return 0 if 0 < self.rhythm.end_ms < slot_ms else slot_ms

    def is_due(self, now_ms: int) -> bool:
        return not self.paused and self.next_ms <= now_ms

    def first_to_make_up_for(self, now_ms: int) -> int:
        """Return the first of the latest missed slots, of which there is one."""
        missed = [self.next_ms]
        while 0 < (slot_ms := self.slot_after(missed[-1])) <= now_ms:
            missed.append(slot_ms)
        return missed[-CATCHUP_MAX:][0]
