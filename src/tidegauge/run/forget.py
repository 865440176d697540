"""Forgetting rows: what is stored of them as rows is removed; sums, which tell of no single row, stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from tidegauge.contracts import Desk, Store
from tidegauge.records import Event, FollowedCluster
from tidegauge.reference import Reference
from tidegauge.run.lead import leading
from tidegauge.sketch.codec import kind_of
from tidegauge.sketch.sketch import Sketch


def forget(store: Store, stream: str, ids: Collection[str], *, at: float) -> int:
    """Remove the rows of these ids from every sample, reference and example of a stream; return how many places held
    one.

    Messages that arrived are deleted, as their bodies may show rows; one that still waits goes out as it was written.

    Parameters
    ----------
    store : Store
    stream : str
    ids : collection of str
        The rows' own ids.
    at : float
        Epoch seconds by the clock. That something was forgotten is recorded, and what is not.
    """
    with leading(store, stream) as desk:
        held = _from_bytes(desk, ids) + _from_clusters(desk, store.clusters(stream), ids)
        held += _from_alarms(desk, ids, quoted=held > 0) + desk.forget_places(ids)
        if held:
            desk.note(Event(stream, "forgotten", at, f"Rows were forgotten in {held:,} places."))
        arrived = desk.expire_messages(at)
    if held or arrived:
        store.scrub()
    return held


def _from_bytes(desk: Desk, ids: Collection[str]) -> int:
    held = 0
    for handle, data in desk.blobs():
        if kind_of(data) == "reference":
            before = Reference.from_bytes(data, handle)
            after = before.forgetting(ids)
            found = _rows(before.base) - _rows(after.base)
            rest = after.to_bytes() if found else data
        else:
            sketch = Sketch.from_bytes(data, handle)
            found = sketch.forget(ids)
            rest = sketch.to_bytes() if found else data
        if found:
            desk.rewrite(handle, rest)
        held += found
    return held


def _rows(sketch: Sketch) -> int:
    return len(sketch.uniform.ids) + len(sketch.novel.ids)


def _from_clusters(desk: Desk, clusters: Iterable[FollowedCluster], ids: Collection[str]) -> int:
    held = 0
    for cluster in clusters:
        rest = tuple(example for example in cluster.examples if example.id not in ids)
        if len(rest) < len(cluster.examples):
            held += len(cluster.examples) - len(rest)
            desk.follow(replace(cluster, examples=rest))
    return held


def _from_alarms(desk: Desk, ids: Collection[str], *, quoted: bool) -> int:
    """Examples go by their ids. Sentences beyond the first, which is of the detector, may quote any row that was kept
    (``quoted``), and not by its id: they go all.
    """
    held = 0
    for alarm in desk.alarms():
        rest = tuple(example for example in alarm.examples if example.id not in ids)
        lost = len(alarm.examples) - len(rest)
        reasons = alarm.reasons[:1] if lost or quoted else alarm.reasons
        if lost or reasons != alarm.reasons:
            held += lost
            desk.raise_alarm(replace(alarm, examples=rest, reasons=reasons))
    return held
