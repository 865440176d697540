"""A snapshot replaced whole: the present content stays in force until the new one is complete."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace

from tidegauge.errors import UsageError
from tidegauge.records import Batch, Event, Position, Window
from tidegauge.run.lead import leading
from tidegauge.run.recorder import Recorder

REPLACING = "replacing"
"""The source under which it is kept how far a replacement came."""


def replace_whole(recorder: Recorder, batches: Iterable[Batch], *, name: str) -> tuple[Window, ...]:
    """Put other rows in place of all that a snapshot holds.

    Parameters
    ----------
    recorder : Recorder
    batches : iterable of Batch
        The new content. What an interrupted replacement left behind is dropped first.
    name : str
        What this content is called, such as a digest of its files.

    Returns
    -------
    tuple of Window
        What is said of the new content.
    """
    store, spec = recorder.store, recorder.spec
    if spec.kind != "snapshot":
        raise UsageError(f"stream {spec.name}", got="a stream, which only grows", want="a snapshot")
    coming = store.state(spec.name).generation + 1
    with leading(store, spec.name) as desk:
        desk.drop([stored.id for stored in desk.parts() if stored.part.key.start >= coming])
    rows, attempt = 0, uuid.uuid4().hex
    for place, batch in enumerate(batches):
        rows += batch.rows + sum(batch.rejected.values())
        position = Position(REPLACING, rows, name)
        recorder.observe(batch, name=f"{name}:{attempt}:{place}", position=position, generation=coming)
    with leading(store, spec.name) as desk:
        desk.drop([stored.id for stored in desk.parts() if stored.part.key.start < coming])
        desk.update(replace(desk.state, generation=coming, version=desk.state.version + 1))
        desk.note(Event(spec.name, "replaced", recorder.now(), f"The content was replaced by {name}: {rows:,} rows."))
    return recorder.settle(whole=True)


def replaced_by(recorder: Recorder) -> str | None:
    """What the present content is called; None where there is none yet, or a replacement was interrupted."""
    store, stream = recorder.store, recorder.spec.name
    present = store.state(stream).generation
    interrupted = any(stored.part.key.start > present for stored in store.parts(stream))
    kept = {position.source: position.mark for position in store.positions(stream)}
    return None if interrupted else kept.get(REPLACING)
