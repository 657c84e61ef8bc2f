"""Schedules: jobs that push themselves, by cron, by interval, or once.

A fire is one transaction: the job and the schedule's next time. A crash can lose neither
one nor do one twice. A slot is *missed* when it passed while the server was down; what
happens to missed slots is the schedule's CATCHUP. While the server is up every slot
fires, however late the turn is that finds it due; but while memory or the disk is short, it
is for schedules as if the server were down (`Engine.hold_schedules`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from respq.config import SCHEDULES_MAX
from respq.engine.core import check_name, shown
from respq.engine.jobs.cron import next_fire_ms
from respq.engine.jobs.job import DEAD, DONE, job_id
from respq.engine.jobs.push import Producing, PushTerms, read_priority
from respq.engine.jobs.retry import drawn
from respq.engine.records import (
    JobOptions,
    ScheduleFired,
    ScheduleRemoved,
    ScheduleSet,
)
from respq.errors import BadCron, NoSchedule, SyntaxFault, TooBig, WrongState

CATCHUP_NONE: Final = 0
CATCHUP_ONE: Final = 1
CATCHUP_ALL: Final = 2
CATCHUP_NAMES: Final = (b"NONE", b"ONE", b"ALL")
CATCHUP_FIRES_MAX = 1_000
"""Missed slots that ALL makes up for, the latest ones: a day of EVERY 1 would be 86 million."""

ALLOW: Final = 0
SKIP: Final = 1
"""What a slot does while the job of an earlier one is still to be done."""

UNKNOWN: Final = -1
"""Instead of a next time: the zone is no longer known to this machine; the schedule pauses."""


class Rhythm(msgspec.Struct, frozen=True):
    """When a schedule fires: exactly one of cron, every and at is given."""

    cron: bytes = b""
    zone: bytes = b""
    every_ms: int = 0
    at_ms: int = 0
    start_ms: int = 0
    end_ms: int = 0
    """Between which it does; 0 for no such bound. Of every, the first is a slot."""


class Scheduling(Producing):
    """Schedules of queues."""

    def set_schedule(
        self,
        now_ms: int,
        db: int,
        queue_name: bytes,
        name: bytes,
        payload: bytes,
        rhythm: Rhythm,
        terms: PushTerms,
        *,
        runs_max: int = 0,
        catchup: int = CATCHUP_ONE,
        jitter: int = 0,
        overlap: int = ALLOW,
    ) -> bool:
        """Make a schedule, or replace the one of that name; return whether it is new.

        One that is replaced keeps its count of runs, and its next slot if the rhythm is
        the same.

        Raises:
            TooBig: for a name over its limit, or a schedule too many.
            BadCron: for an expression that cannot be read, a zone that is not known, or a
                rhythm that never fires.
            BadPriority: for a priority that the queue cannot order.
            SyntaxFault: for a DELAY that is longer than the TTL.
            WrongState: for a MAXRUNS that the schedule has reached already.
        """
        check_name("queue name", queue_name)
        check_name("schedule name", name)
        if terms.then is not None:
            check_name("queue name of THEN", terms.then.queue)
        queue = self.queue_or_none(db, queue_name, now_ms)
        old = queue.schedules.get(name) if queue is not None else None
        if queue is not None and old is None and len(queue.schedules) >= SCHEDULES_MAX:
            raise TooBig(f"queue '{shown(queue_name)}' has {SCHEDULES_MAX} schedules, the limit")
        if old is not None and 0 < runs_max <= old.runs:
            raise WrongState(
                f"schedule '{shown(name)}' has run {old.runs} times already: "
                "give a larger MAXRUNS, or QSCHED DEL it first"
            )
        next_ms = self._first_fire(now_ms, rhythm)
        if rhythm.end_ms and not 0 < next_ms <= rhythm.end_ms:
            raise BadCron(f"it would never fire: END {rhythm.end_ms} is before its first time")
        if old is not None and _rhythm(old) == rhythm:
            # Else a program that adds EVERY 1d whenever it starts, daily, would never see it fire.
            next_ms = old.next_ms
        text = queue is not None and queue.settings.text
        priority = read_priority(terms.priority, text=text)
        if terms.ttl_ms is not None and terms.delay_ms + jitter >= terms.ttl_ms:
            raise SyntaxFault(
                f"the job would be due after {terms.delay_ms + jitter} ms, after its ttl of "
                f"{terms.ttl_ms} ms"
            )

        if queue is None:
            queue = self.make_queue(now_ms, db, queue_name)
        options = JobOptions(
            attempts=terms.attempts,
            backoff=terms.backoff,
            lease_ms=terms.lease_ms,
            labels=terms.labels,
            maxlease_ms=terms.maxlease_ms,
            then=terms.then,
            keep_ms=terms.keep_ms,
            group=terms.group,
        )
        self.emit(
            ScheduleSet(
                old.number if old is not None else self.next_number(),
                queue.number,
                name,
                payload,
                rhythm.cron,
                rhythm.zone,
                rhythm.every_ms,
                rhythm.at_ms,
                priority,
                terms.delay_ms,
                terms.ttl_ms,
                None if options == JobOptions() else options,
                catchup,
                runs_max,
                old.runs if old is not None else 0,
                next_ms,
                old.last_ms if old is not None else 0,
                old is not None and old.paused,
                now_ms,
                jitter,
                overlap == SKIP,
                rhythm.start_ms,
                rhythm.end_ms,
                old.last_job if old is not None else 0,
                old.skipped if old is not None else 0,
            )
        )
        return old is None

    def schedule(self, db: int, queue_name: bytes, name: bytes) -> ScheduleSet:
        """Return a schedule; raise `NoSchedule` if there is none of that name."""
        queue = self.queue_or_none(db, queue_name)
        schedule = queue.schedules.get(name) if queue is not None else None
        if schedule is None:
            raise NoSchedule(f"queue '{shown(queue_name)}' has no schedule '{shown(name)}'")
        return schedule

    def remove_schedule(self, db: int, queue_name: bytes, name: bytes) -> bool:
        """Remove a schedule; return whether there was one."""
        try:
            schedule = self.schedule(db, queue_name, name)
        except NoSchedule:
            return False
        self.emit(ScheduleRemoved(schedule.queue, schedule.number))
        return True

    def pause_schedule(self, db: int, queue_name: bytes, name: bytes) -> bool:
        """Let a schedule fire no more until it is resumed; return whether that is a change."""
        schedule = self.schedule(db, queue_name, name)
        if schedule.paused:
            return False
        self.emit(msgspec.structs.replace(schedule, paused=True))
        return True

    def resume_schedule(self, now_ms: int, db: int, queue_name: bytes, name: bytes) -> bool:
        """Let a schedule fire again; slots that passed in the pause are not made up for.

        An AT that passed in the pause fires at once: it would never fire otherwise. A schedule
        whose END passed is gone.

        Raises:
            NoSchedule: if there is none of that name.
            BadCron: if this machine does not know its zone any more.
        """
        schedule = self.schedule(db, queue_name, name)
        if not schedule.paused:
            return False
        next_ms = schedule.next_ms
        if next_ms <= now_ms and not schedule.at_ms:
            next_ms = self._fire_after(schedule, now_ms)
        if next_ms == UNKNOWN:
            raise BadCron(
                f"unknown time zone '{shown(schedule.zone)}': it was known when the schedule was "
                "made; install it here, or QSCHED ADD the schedule anew"
            )
        if next_ms:
            self.emit(msgspec.structs.replace(schedule, paused=False, next_ms=next_ms))
        else:
            self.emit(ScheduleRemoved(schedule.queue, schedule.number))
        return True

    def run_schedule(self, now_ms: int, db: int, queue_name: bytes, name: bytes) -> bytes:
        """Push a schedule's job now, beside its rhythm; return the job's id."""
        return job_id(now_ms, self._push_of(now_ms, self.schedule(db, queue_name, name)))

    def next_fires(self, now_ms: int, db: int, queue_name: bytes, name: bytes, n: int) -> list[int]:
        """Return the next up to ``n`` instants at which a schedule fires, in unix ms.

        Raises:
            NoSchedule: if there is none of that name.
            WrongState: if it is paused.
        """
        schedule = self.schedule(db, queue_name, name)
        if schedule.paused:
            raise WrongState(f"schedule '{shown(name)}' is paused: QSCHED RESUME it first")
        if schedule.runs_max:
            n = min(n, schedule.runs_max - schedule.runs)
        fires: list[int] = []
        next_ms = max(schedule.next_ms, now_ms) if schedule.at_ms else schedule.next_ms
        while next_ms > 0 and len(fires) < n:
            fires.append(next_ms)
            next_ms = self._fire_after(schedule, next_ms)
        return fires

    def fire(self, now_ms: int, schedule: ScheduleSet) -> None:
        """Push the job of a schedule that is due and set its next time, in one transaction."""
        slot_ms = schedule.next_ms
        self._fire(now_ms, schedule, slot_ms, self._fire_after(schedule, slot_ms))

    def _fire(self, now_ms: int, schedule: ScheduleSet, slot_ms: int, next_ms: int) -> None:
        """Push the job of a slot, or skip it while the one before is still to be done."""
        if schedule.skips_overlap and self._is_to_be_done(schedule):
            skipped = schedule.skipped + 1
            self._end_fire(schedule, schedule.runs, schedule.last_ms, next_ms, skipped=skipped)
            return
        jitter = drawn(schedule.number, slot_ms, schedule.jitter_ms)
        number = self._push_of(now_ms, schedule, jitter)
        self._end_fire(schedule, schedule.runs + 1, slot_ms, next_ms, last_job=number)

    def _is_to_be_done(self, schedule: ScheduleSet) -> bool:
        job = self.state.queues[schedule.queue].job(schedule.last_job)
        return job is not None and job.phase not in (DEAD, DONE)

    def catch_up(self, now_ms: int) -> None:
        """Deal with the slots that passed while the server was down, or schedules were held."""
        for schedule in list(self.state.schedules.values()):
            if schedule.paused or not schedule.next_ms or schedule.next_ms > now_ms:
                continue
            start = len(self.records)
            if schedule.catchup == CATCHUP_ALL:
                self._skip_to(schedule, self._latest_missed(now_ms, schedule))
            elif schedule.catchup == CATCHUP_ONE:
                next_ms = self._fire_after(schedule, now_ms)
                self._fire(now_ms, schedule, schedule.next_ms, next_ms)
            else:
                next_ms = self._fire_after(schedule, now_ms)
                self._end_fire(schedule, schedule.runs, schedule.last_ms, next_ms)
            self.end_transaction(start)

    def _latest_missed(self, now_ms: int, schedule: ScheduleSet) -> int:
        """Return the first of the latest `CATCHUP_FIRES_MAX` missed slots."""
        if schedule.every_ms:
            last_ms = min(now_ms, schedule.end_ms or now_ms)
            missed = (last_ms - schedule.next_ms) // schedule.every_ms + 1
            skipped = max(0, missed - CATCHUP_FIRES_MAX)
            return schedule.next_ms + skipped * schedule.every_ms
        # Of a year of minutes only the end is looked at: a cron fires once a minute at most.
        span_ms = CATCHUP_FIRES_MAX * 60_000
        while True:
            slots = self._slots_between(schedule, now_ms - span_ms, now_ms)
            if len(slots) >= CATCHUP_FIRES_MAX or now_ms - span_ms < schedule.next_ms:
                return slots[-CATCHUP_FIRES_MAX:][0]
            span_ms *= 4

    def _slots_between(self, schedule: ScheduleSet, after_ms: int, until_ms: int) -> list[int]:
        """Return the missed slots after one instant and until another, in order."""
        slots = [schedule.next_ms] if schedule.next_ms > after_ms else []
        slot_ms = self._fire_after(schedule, max(schedule.next_ms, after_ms))
        while 0 < slot_ms <= until_ms:
            slots.append(slot_ms)
            slot_ms = self._fire_after(schedule, slot_ms)
        return slots

    def _skip_to(self, schedule: ScheduleSet, slot_ms: int) -> None:
        """Have a schedule fire next at a slot that has passed; the timers do the rest."""
        if slot_ms != schedule.next_ms:
            self._end_fire(schedule, schedule.runs, schedule.last_ms, slot_ms)

    def _end_fire(
        self,
        schedule: ScheduleSet,
        runs: int,
        last_ms: int,
        next_ms: int,
        *,
        last_job: int = 0,
        skipped: int | None = None,
    ) -> None:
        last_job = last_job or schedule.last_job
        skipped = schedule.skipped if skipped is None else skipped
        if next_ms == UNKNOWN:
            self.emit(
                msgspec.structs.replace(
                    schedule,
                    runs=runs,
                    last_ms=last_ms,
                    paused=True,
                    last_job=last_job,
                    skipped=skipped,
                )
            )
        elif not next_ms or (schedule.runs_max and runs >= schedule.runs_max):
            self.emit(ScheduleRemoved(schedule.queue, schedule.number))
        else:
            self.emit(
                ScheduleFired(
                    schedule.queue, schedule.number, runs, last_ms, next_ms, last_job, skipped
                )
            )

    def _push_of(self, now_ms: int, schedule: ScheduleSet, jitter: int = 0) -> int:
        return self.put_one(
            now_ms,
            self.state.queues[schedule.queue],
            schedule.payload,
            schedule.priority,
            schedule.delay_ms + jitter,
            schedule.ttl_ms,
            schedule.options,
        )

    def _first_fire(self, now_ms: int, rhythm: Rhythm) -> int:
        start_ms = rhythm.start_ms
        if rhythm.cron:
            after_ms = max(now_ms, start_ms - 1)
            return next_fire_ms(rhythm.cron, rhythm.zone or b"UTC", after_ms, self.zones) or 0
        if rhythm.every_ms and start_ms:
            passed = max(0, (now_ms - start_ms) // rhythm.every_ms + 1)
            return start_ms + passed * rhythm.every_ms
        if rhythm.every_ms:
            return now_ms + rhythm.every_ms
        return rhythm.at_ms

    def _fire_after(self, schedule: ScheduleSet, after_ms: int) -> int:
        """Return the first slot after ``after_ms``, 0 if there is none, or `UNKNOWN`."""
        next_ms = self._slot_after(schedule, after_ms)
        return 0 if 0 < schedule.end_ms < next_ms else next_ms

    def _slot_after(self, schedule: ScheduleSet, after_ms: int) -> int:
        """Return the same, whatever its END is."""
        if schedule.cron:
            zone = schedule.zone or b"UTC"
            try:
                return next_fire_ms(schedule.cron, zone, after_ms, self.zones) or 0
            except BadCron:
                return UNKNOWN
        if schedule.every_ms:
            # Slots keep their distance to the first one, however late a fire was found due.
            behind_ms = max(0, after_ms - schedule.next_ms)
            steps = behind_ms // schedule.every_ms + 1
            return schedule.next_ms + steps * schedule.every_ms
        return 0


def _rhythm(schedule: ScheduleSet) -> Rhythm:
    return Rhythm(
        schedule.cron,
        schedule.zone,
        schedule.every_ms,
        schedule.at_ms,
        schedule.start_ms,
        schedule.end_ms,
    )
