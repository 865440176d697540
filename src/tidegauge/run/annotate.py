"""What people know of times: a deploy, a holiday, an alarm that was real or noise."""

from __future__ import annotations

from tidegauge.contracts import Store
from tidegauge.errors import UsageError
from tidegauge.records import Annotation, AnnotationKind
from tidegauge.run.answer import find

JUDGEMENTS: tuple[AnnotationKind, ...] = ("real", "noise")
"""What may be said of an alarm."""


def judge(store: Store, alarm: str, kind: AnnotationKind, text: str = "", *, by: str = "", at: float) -> Annotation:
    """Say that an alarm was real or noise, in place of what was said of it before.

    Parameters
    ----------
    store : Store
    alarm : str
        Its id, or as many of the first digits as no other has.
    kind : str
        ``"real"``: its panes stay out of calibration. ``"noise"``: they are normal, and teach it.
    text, by : str
        Kept with it.
    at : float
        Epoch seconds by the clock.

    Raises
    ------
    UsageError
        Where no alarm has this id, or several do; or where the kind is no judgement.
    """
    if kind not in JUDGEMENTS:
        raise UsageError("kind", got=repr(kind), want=f"one of {', '.join(JUDGEMENTS)} for an alarm")
    found = find(store, alarm)
    before = [each for each in store.annotations(found.stream) if each.alarm == found.id and each.kind in JUDGEMENTS]
    for superfluous in before[1:]:
        store.unannotate(superfluous.id)
    until = max(found.onset, found.updated, found.opened)
    known = before[0].id if before else 0
    return store.annotate(
        Annotation(found.stream, kind, found.onset, until, text, by, at, alarm=found.id, id=known),
    )
