"""What people know of times: a deploy, a holiday, an alarm that was real or noise."""

from __future__ import annotations

from tidegauge.contracts import Store
from tidegauge.errors import UsageError
from tidegauge.records import Annotation, AnnotationKind
from tidegauge.run.answer import find

MOMENTS: tuple[AnnotationKind, ...] = ("deploy", "note")
"""What may be of a moment, which is now if nothing is said."""
JUDGEMENTS: tuple[AnnotationKind, ...] = ("real", "noise")
"""What may be said of an alarm."""


def span_of(kind: AnnotationKind, since: int | None, until: int | None, now: int) -> tuple[int, int]:
    """Where it begins and ends: a moment where no end is said of a deploy or a note, and until now otherwise.

    Examples
    --------
    >>> span_of("deploy", None, None, 60), span_of("holiday", 0, None, 60)
    ((60, 60), (0, 60))
    """
    if kind == "noise":
        raise UsageError("noise", got="a time", want="an alarm", hint="Say which alarm was noise")
    if since is None and kind not in MOMENTS:
        raise UsageError("--since", got="nothing", want=f"when the {kind} began")
    first = now if since is None else since
    last = until if until is not None else first if kind in MOMENTS else now
    if last < first:
        raise UsageError("--until", got="an end before the beginning", want="one after it", hint="Say --until")
    return first, last


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
