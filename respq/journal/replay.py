"""From batches to a state: what a start, ``respq replay`` and the tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from respq.engine.batch import BatchHeader
from respq.engine.state import State
from respq.errors import JournalBroken
from respq.journal.journal import BatchSource
from respq.journal.recovery import Chain, read_batches, read_records

_ASK_EVERY = 16
"""Batches between two questions whether there is room for payloads; a batch is 250 KB at most, but
for large transactions."""


@dataclass(slots=True)
class Replayed:
    """Where a journal ends, and how much was read to get there."""

    next_position: int = 1
    checksum: int = 0
    """Of the last batch."""
    epoch: int = 0
    now_ms: int = 0
    """Time of the last batch."""
    batches: int = 0
    records: int = 0


def replay(
    journal: BatchSource,
    state: State,
    report: Callable[[str], None],
    progress: Replayed | None = None,
    until: Callable[[BatchHeader], bool] | None = None,
    *,
    keeps_payloads: Callable[[], bool] | None = None,
) -> Replayed:
    """Apply every batch of a journal to a fresh state and build its indexes.

    Args:
        journal: where they lie.
        state: to apply them to.
        report: called with a sentence for everything that was passed over.
        progress: filled as it goes, for whoever watches from another thread.
        until: the first batch of which this is not true is left out, with all behind it.
        keeps_payloads: asked now and then whether payloads may still stay in memory; the others
            are read again when they are needed.

    Raises:
        JournalBroken: if what is there is not the whole history.
        StartRefused: if a newer respq wrote it.
    """
    replayed = progress or Replayed()
    apply = state.apply
    chain = Chain()
    for header, body, checksum in read_batches(journal, report, chain):
        if until is not None and not until(header):
            break
        records = read_records(header.position, body)
        if keeps_payloads is not None and not replayed.batches % _ASK_EVERY:
            state.keeps_payloads = keeps_payloads()
        state.position = header.position
        for record in records:
            apply(record)
        state.next_number = header.next_number
        state.next_fence = header.next_fence
        replayed.next_position = header.position + 1
        replayed.checksum = checksum
        replayed.epoch = header.epoch
        replayed.now_ms = header.now_ms
        replayed.batches += 1
        replayed.records += len(records)
    chain.check_begin(state.trimmed)
    below = state.trimmed.below if state.trimmed is not None else 1
    unmade = max(state.passed_over if state.passed_over >= below else 0, *state.unmade, 0)
    if unmade:
        raise JournalBroken(
            replayed.next_position - 1,
            f"it changes object {unmade}, whose making is nowhere in the journal",
        )
    state.position = replayed.next_position
    state.keeps_payloads = True
    state.build_indexes()
    return replayed
