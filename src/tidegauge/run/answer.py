"""What people answer to an alarm: they have seen it, it may wait, it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tidegauge.alarm.policy import resolved
from tidegauge.contracts import Desk, Store
from tidegauge.deliver import messages, woken
from tidegauge.errors import UsageError
from tidegauge.records import ALL, Alarm, Change
from tidegauge.run.lead import leading
from tidegauge.spec import Alarms, Spec
from tidegauge.spec.length import Unit

LAST = "last"


def acknowledge(store: Store, alarm: str, settings: Alarms, *, by: str = "", why: str = "", at: float) -> Alarm:
    """Somebody has seen an alarm and looks after it.

    Parameters
    ----------
    store : Store
    alarm : str
        Its id, or as many of the first digits as no other has, or ``"last"``.
    settings : Alarms
        Whom to tell.
    by, why : str
        Kept with the alarm.
    at : float
        Epoch seconds by the clock.

    Raises
    ------
    UsageError
        Where no alarm has this id, several do, or it is resolved already.
    """

    def seen(each: Alarm) -> Alarm:
        return replace(each, state="acknowledged", by=by, why=why or each.why, snoozed_until=None)

    return _answer(store, alarm, settings, seen, "acknowledged", at)


def snooze(
    store: Store, alarm: str, settings: Alarms, *, until: float, by: str = "", why: str = "", at: float
) -> Alarm:
    """Let an alarm rest until a moment by the clock; where it lasts by then, it is open again."""
    if until <= at:
        raise UsageError("until", got="a moment that is past", want="one to come")

    def rest(each: Alarm) -> Alarm:
        return replace(each, state="snoozed", by=by, why=why or each.why, snoozed_until=until)

    return _answer(store, alarm, settings, rest, "snoozed", at)


def resolve(store: Store, alarm: str, settings: Alarms, *, by: str = "", why: str = "", at: float) -> Alarm:
    """End an alarm by hand. The detector begins anew with the panes after it."""

    def end(each: Alarm) -> Alarm:
        settled = store.state(each.stream).settled
        last = each.updated if settled is None else max(each.updated, settled)
        return resolved(each, last, by=by, why=why)

    return _answer(store, alarm, settings, end, "resolved", at)


def wake(store: Store, settings: Alarms, *, at: float) -> int:
    """Open alarms again whose rest is over, and tell of them; return how many.

    A pane that closes does so as well: this is for those that no pane comes to, as in a silence.
    """
    count = 0
    for desk, alarm in _present(store, lambda alarm: _rested(alarm, at)):
        desk.raise_alarm(replace(alarm, state="open", snoozed_until=None))
        desk.send(woken(alarm, settings, now=at, unit=_unit(desk)))
        count += 1
    return count


def let_go(store: Store, spec: Spec, *, at: float) -> list[Alarm]:
    """Resolve alarms that nobody looks after, as the settings are now, and tell of them; return each as it ended.

    Their stream is no longer in the settings, or its alarms were switched off, or those of its segments.
    """
    out: list[Alarm] = []
    for desk, alarm in _present(store, lambda alarm: bool(_left(alarm, spec))):
        over = resolved(alarm, max(alarm.updated, desk.state.settled or 0), why=_left(alarm, spec))
        desk.raise_alarm(over)
        desk.send(messages(over, "resolved", spec.alarms, now=at, unit=_unit(desk)))
        out.append(over)
    return out


def find(store: Store, alarm: str) -> Alarm:
    """The alarm of an id, or of the first digits of one; ``"last"`` is the one that was opened last."""
    if alarm == LAST and (newest := store.alarms(newest=1)):
        return newest[0]
    found = [each for each in store.alarms() if alarm and each.id.startswith(alarm)]
    exact = [each for each in found if each.id == alarm] or found
    if len(exact) == 1:
        return exact[0]
    known = ", ".join(each.id for each in (exact or store.alarms(newest=5))) or "none yet"
    want = "one alarm" if exact else "an alarm"
    raise UsageError("alarm", got=repr(alarm), want=f"the id of {want}", hint=f"There is {known}")


def _answer(
    store: Store, alarm: str, settings: Alarms, act: Callable[[Alarm], Alarm], change: Change, at: float
) -> Alarm:
    found = find(store, alarm)
    with leading(store, found.stream) as desk:
        present = next(each for each in desk.alarms() if each.id == found.id)
        if not present.lasts:
            raise UsageError(f"alarm {present.id}", got="one that is resolved", want="one that lasts")
        after = act(present)
        desk.raise_alarm(after)
        # Each answer is told, also a second one of its kind.
        told = messages(after, change, settings, now=at, unit=_unit(desk))
        desk.send([replace(each, key=f"{after.id}:{change}:{at:.0f}") for each in told])
    return after


def _present(store: Store, wanted: Callable[[Alarm], bool]) -> Iterator[tuple[Desk, Alarm]]:
    """Alarms that last and are wanted, each with the lead of its stream; those of a stream that another leads wait."""
    for found in store.alarms(lasting=True):
        if wanted(found):
            with store.leading(found.stream) as desk:
                for alarm in () if desk is None else desk.alarms(lasting=True):
                    if desk is not None and alarm.id == found.id and wanted(alarm):
                        yield desk, alarm


def _left(alarm: Alarm, spec: Spec) -> str:
    """Why nobody looks after an alarm; nothing where its stream does."""
    stream = spec.streams.get(alarm.stream)
    if stream is None:
        return "The stream is no longer in the settings"
    if not stream.alarm.enabled:
        return "The alarms of the stream were switched off"
    return "" if stream.alarm.segments or alarm.segment == ALL else "The alarms of segments were switched off"


def _rested(alarm: Alarm, at: float) -> bool:
    return alarm.state == "snoozed" and alarm.snoozed_until is not None and alarm.snoozed_until <= at


def _unit(desk: Desk) -> Unit:
    return "rows" if desk.state.pane.endswith("rows") else "seconds"
