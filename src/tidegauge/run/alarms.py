"""Alarms of a stream: each closed pane is tallied, held against what is normal, and opens, moves or resolves alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tidegauge.alarm.calibration import FEWEST_PANES, Calibration, from_reference, learn
from tidegauge.alarm.panes import Panes, needed, series_of
from tidegauge.alarm.policy import LASTING, Terms, advance, alarm_id, resolved
from tidegauge.alarm.screen import screened
from tidegauge.alarm.tally import Layout, Tallier
from tidegauge.contracts import Desk
from tidegauge.deliver import messages, woken
from tidegauge.errors import ArtefactError
from tidegauge.monitor import Monitor
from tidegauge.records import (
    ALL,
    LEFT_OUT,
    Alarm,
    AlarmKind,
    Annotation,
    Calibrated,
    Change,
    Event,
    PaneKey,
    Tally,
    Window,
)
from tidegauge.reference import Reference
from tidegauge.run.moved import moved
from tidegauge.sketch.sketch import Sketch
from tidegauge.spec import Alarms, Spec, StreamSpec
from tidegauge.window.moment import moment

MOST_PANES = 20_000
"""Panes of history that are kept and learned from."""
GROWTH = 1.25
"""A history that has grown so much teaches anew, until it is as long as what is promised."""
LONG = int(MOST_PANES / GROWTH)
"""Panes of history that are enough for a promise, however long it is."""
FEWEST_ROWS = 10
"""Rows of a pane that is worth a tally: one row says nothing of the traffic."""
OTHER_SIZE = 10.0
"""Panes of so many times as many rows, or as few, want another calibration where there is no history yet."""
KEEP_MESSAGES = 90 * 86_400
"""Seconds for which messages that arrived are kept."""
OUTSIDE = ("model changed", "data quality")
"""States of windows whose rows are not judged."""


def sharing(spec: Spec) -> int:
    """How many streams share the budget of false alarms: those that raise any."""
    return max(sum(each.kind == "stream" and each.alarm.enabled for each in spec.streams.values()), 1)


def lookout_of(spec: Spec, stream: StreamSpec) -> Lookout:
    """What raises a stream's alarms, with its share of the budget."""
    return Lookout(stream, spec.alarms, sharing(spec))


class Lookout:
    """Keeps an eye on one stream.

    Parameters
    ----------
    spec : StreamSpec
    settings : Alarms
        The budget, and whom to tell.
    streams : int
        Streams that share the budget.
    quiet : bool
        Nobody is told of the alarms that are opened, as they are of the past.
    """

    def __init__(self, spec: StreamSpec, settings: Alarms, streams: int = 1, *, quiet: bool = False) -> None:
        self._quiet, self._untold = quiet, set[str]()
        self.spec, self.settings, self._streams = spec, settings, streams
        self._under = _Under()
        self._looked: dict[str, int] = {}

    @property
    def watches(self) -> bool:
        """Whether the stream raises alarms at all."""
        return self.spec.alarm.enabled and self.spec.kind == "stream"

    def tally(self, monitor: Monitor, window: Window, sketch: Sketch) -> Tally | None:
        """The tally of a closed pane; None where its rows are not fit to be judged."""
        if not self.watches or sketch.rows < FEWEST_ROWS or window.state in OUTSIDE:
            return None
        times = (window.first_time, window.last_time)
        moment = None if times[0] is None or times[1] is None else (times[0] + times[1]) / 2
        if self.spec.pane.unit == "seconds":
            moment = window.key.start + self.spec.pane.length / 2
        return Tally(window.key, sketch.rows, moment, self._tallier(monitor.reference).tally(sketch))

    def panes_promised(self, segment: str, segments: int, per_second: float | None) -> float | None:
        """The mean run length, in panes, that is this segment's share of the budget; None where it cannot be told.

        Rates of false alarms add up whatever depends on what, so that sharing them out holds the budget over all.
        """
        budget = self.settings.budget
        length = budget.length / budget.false_alarms
        if budget.unit == "seconds":
            if self.spec.pane.unit == "seconds":
                per_second = 1 / self.spec.pane.length
            if per_second is None:
                return None
            length *= per_second
        shared = self.spec.alarm.segments and segments > 0
        return length * self._streams * (1 if not shared else 2 if segment == ALL else 2 * segments)

    def closed(self, desk: Desk, monitor: Monitor, closed: Sequence[tuple[Window, Sketch]], at: float) -> None:
        """Judge a pane that was closed, of all rows and of segments."""
        if not self.watches:
            return
        made = [self.tally(monitor, window, sketch) for window, sketch in closed]
        tallies = [tally for tally in made if tally is not None]
        if tallies:
            desk.tally(tallies)
        desk.expire_messages(at - KEEP_MESSAGES)
        lasting: dict[tuple[str, AlarmKind], Alarm] = {
            (alarm.segment, alarm.kind): alarm for alarm in desk.alarms(lasting=True)
        }
        for window, _ in closed:
            if window.key.segment == ALL:
                self._conditions(desk, lasting, window, at)
        judged = [each for each in tallies if each.key.segment == ALL or self.spec.alarm.segments]
        if not judged:
            return
        kept = {each.segment: each for each in desk.calibrated() if each.length == judged[0].key.length}
        past = desk.alarms()
        for tally in judged:
            calibration = self._calibration(desk, monitor, tally, kept.get(tally.key.segment), at)
            if calibration is not None:
                before = lasting.get((tally.key.segment, "drift"))
                self._judge(desk, monitor, tally.key, calibration, before, _fresh(past, tally.key), at)
        here = {tally.key.segment for tally in judged}
        if ALL in here:
            for (segment, _), alarm in lasting.items():
                if segment not in here:
                    self._missed(desk, alarm, judged[0].key, at)

    def _judge(
        self,
        desk: Desk,
        monitor: Monitor,
        key: PaneKey,
        calibration: Calibration,
        lasting: Alarm | None,
        fresh: int | None,
        at: float,
    ) -> None:
        recent = desk.tallies(length=key.length, segment=key.segment, until=key.end, newest=needed(calibration))
        promise = self.panes_promised(key.segment, len(desk.state.segments), pace(recent))
        if promise is None:
            return
        panes = Panes(recent, calibration)
        reading = panes.reading(len(recent) - 1, fresh)
        terms = self.terms(calibration.threshold(promise), provisional=not calibration.panes)
        alarm, change = advance(lasting, reading, terms, at=at)
        if alarm is None or alarm == lasting:
            return
        if change in ("opened", "updated"):
            parts = desk.sketches(length=key.length, since=alarm.onset, until=alarm.updated)
            alarm = replace(alarm, **moved(parts, monitor, alarm))
        self.say(desk, alarm, change, at)

    def _missed(self, desk: Desk, alarm: Alarm, key: PaneKey, at: float) -> None:
        """Resolve the alarm of a segment that has had no pane of its own for as many panes as would be calm."""
        own = desk.tallies(length=key.length, segment=alarm.segment, until=key.end, newest=1)
        since = max([alarm.updated, *(tally.key.end for tally in own)])
        patience = max(self.spec.alarm.calm, LASTING)
        closed = desk.tallies(length=key.length, segment=ALL, since=since, until=key.end, newest=patience)
        if len(closed) == patience:
            when = f"{moment(since)} UTC" if self.spec.pane.unit == "seconds" else f"row {since:,}"
            why = f"No vectors of the segment, or too few to be judged, since {when}"
            self.say(desk, resolved(alarm, key.end, why=why), "resolved", at)

    def terms(self, threshold: float, *, provisional: bool = False) -> Terms:
        """When an alarm is worth it."""
        settings = self.spec.alarm
        return Terms(threshold, settings.min_effect, settings.critical, settings.calm, provisional)

    def say(self, desk: Desk, alarm: Alarm, change: Change | None, at: float) -> None:
        """Keep an alarm, and tell of what changed, in one transaction."""
        if alarm.snoozed_until is not None and at >= alarm.snoozed_until and alarm.lasts:
            desk.send(woken(alarm, self.settings, now=at, unit=self.spec.pane.unit))
            alarm = replace(alarm, state="open", snoozed_until=None)
        desk.raise_alarm(alarm)
        if change == "opened" and self._quiet:
            self._untold.add(alarm.id)
        rests = alarm.state == "snoozed" and change == "updated"
        if change is not None and not rests and alarm.id not in self._untold:
            desk.send(messages(alarm, change, self.settings, now=at, unit=self.spec.pane.unit))

    def _conditions(self, desk: Desk, lasting: dict[tuple[str, AlarmKind], Alarm], window: Window, at: float) -> None:
        """Alarms that no budget is needed for: what is wrong is known."""
        kinds: tuple[AlarmKind, ...] = ("model changed", "data quality")
        for kind in kinds:
            alarm, wrong = lasting.get((ALL, kind)), window.state == kind
            if wrong and alarm is None:
                said = " ".join(_ended(window.reasons))
                self.say(desk, condition(window.key, kind, said, window.key.start, at), "opened", at)
            elif wrong and alarm is not None:
                self.say(desk, replace(alarm, calm=0, updated=window.key.end), None, at)
            elif alarm is not None and window.state not in OUTSIDE:
                calm = replace(alarm, calm=alarm.calm + 1)
                over = calm.calm >= self.spec.alarm.calm or kind == "model changed"
                self.say(desk, resolved(calm, window.key.end) if over else calm, "resolved" if over else None, at)

    def silent(self, desk: Desk, event: Event, at: float) -> None:
        """Open the alarm of a stream that has stopped, unless it is open."""
        if not self.watches or any(alarm.kind == "silence" for alarm in desk.alarms(lasting=True)):
            return
        # No pane closes in a silence: it is known by the row before it, as two may fall into one pane.
        key = PaneKey(self.spec.name, desk.state.reference, self.spec.silence_after, int(event.at))
        alarm = condition(key, "silence", event.text, key.start, at)
        if self.spec.pane.unit == "rows":
            seen = desk.state.seen
            alarm = replace(alarm, opened=seen, onset=seen, updated=seen)
        self.say(desk, alarm, "opened", at)

    def heard(self, desk: Desk, at: float) -> None:
        """Resolve the alarm of a silence: rows have come again."""
        for alarm in desk.alarms(lasting=True):
            if alarm.kind == "silence":
                seen = desk.state.seen if self.spec.pane.unit == "rows" else int(desk.state.watermark or 0)
                self.say(desk, resolved(alarm, max(alarm.opened, seen)), "resolved", at)

    def _calibration(
        self, desk: Desk, monitor: Monitor, tally: Tally, kept: Calibrated | None, at: float
    ) -> Calibration | None:
        """What is in force for a segment, learned anew where the history has grown enough, or it cannot be read."""
        key = tally.key
        tallier = self._tallier(monitor.reference)
        held = None if kept is None else self._under.read(kept, tallier)
        if kept is None or held is None or self._grown(desk, kept, held, key):
            history = self.history(desk, key)
            if len(history) >= max(FEWEST_PANES, min(GROWTH * (held.panes if held else 0), MOST_PANES)):
                return self.teach(desk, monitor, key, history, at)
        fits = held is not None and (held.panes or 1 / OTHER_SIZE <= tally.rows / held.rows <= OTHER_SIZE)
        if fits:
            return held
        # A segment differs from the reference by its nature: without a history of its own nothing is known of it.
        fresh = from_reference(monitor.reference, tallier, tally.rows) if key.segment == ALL else None
        return held if fresh is None else self._keep(desk, key, (), fresh, at)

    def _grown(self, desk: Desk, kept: Calibrated, held: Calibration, key: PaneKey) -> bool:
        """Whether there may be so much more history that it is worth a look.

        A look reads all of it, and may find that little of it was well: the next one waits for more.
        """
        timed = self.spec.pane.unit == "seconds"
        recent = () if timed else desk.tallies(length=key.length, segment=key.segment, newest=FEWEST_PANES)
        promise = self.panes_promised(key.segment, len(desk.state.segments), pace(recent))
        if held.firm(LONG if promise is None else min(promise, LONG)):
            return False
        more = (key.end - kept.until) / key.length
        looked = (key.end - self._looked.get(key.segment, 0)) / key.length
        if more < (GROWTH - 1) * held.panes or looked < max(FEWEST_PANES, held.panes) / 8:
            return False
        self._looked[key.segment] = key.end
        return True

    def learned(self, history: Sequence[Tally], tallier: Tallier) -> Calibration:
        """What a history teaches."""
        series = series_of(history, tallier.layout)
        pane = self.spec.pane.length if self.spec.pane.unit == "seconds" else None
        return learn(series, tallier.layout, pane=pane, season=self.spec.alarm.season)

    def history(self, desk: Desk, key: PaneKey) -> list[Tally]:
        """Panes of a segment in which, as far as is known, all was well."""
        every = desk.tallies(length=key.length, segment=key.segment, newest=MOST_PANES)
        return well(every, desk.alarms(), desk.annotations())

    def _keep(self, desk: Desk, key: PaneKey, history: Sequence[Tally], made: Calibration, at: float) -> Calibration:
        since, until = (history[0].key.start, history[-1].key.end) if history else (key.start, key.end)
        kept = Calibrated(
            self.spec.name, key.segment, key.reference, key.length, at, len(history), since, until, made.to_bytes()
        )
        desk.calibrate(kept)
        self._under.put(kept, made)
        return made

    def teach(self, desk: Desk, monitor: Monitor, key: PaneKey, history: Sequence[Tally], at: float) -> Calibration:
        """Learn from a history of a segment, without panes that stand out, and put what it teaches in force."""
        tallier = self._tallier(monitor.reference)
        good = without_outliers(history, tallier.layout)
        return self._keep(desk, key, good, self.learned(good, tallier), at)

    def layout(self, monitor: Monitor) -> Layout:
        """Where what stands in its tallies."""
        return self._tallier(monitor.reference).layout

    def _tallier(self, reference: Reference) -> Tallier:
        return self._under.tallier(reference)


def without_outliers(history: Sequence[Tally], layout: Layout) -> list[Tally]:
    """Panes that teach: without those that stand out though nobody marked them, as long as enough remain."""
    good = screened(series_of(history, layout), layout)
    return [history[place] for place in good] if len(good) >= FEWEST_PANES else list(history)


class _Under:
    """What is made under a reference, kept as long as it is in force."""

    def __init__(self) -> None:
        self._hash, self._tallier = "", None
        self._read: dict[str, tuple[float, Calibration]] = {}

    def tallier(self, reference: Reference) -> Tallier:
        if self._tallier is None or self._hash != reference.hash:
            self._hash, self._tallier = reference.hash, Tallier(reference)
            self._read.clear()
        return self._tallier

    def read(self, kept: Calibrated, tallier: Tallier) -> Calibration | None:
        """A kept calibration; None where it is damaged, or of another detector, and is to be learned anew."""
        at, made = self._read.get(kept.segment, (None, None))
        if made is None or at != kept.at:
            try:
                made = Calibration.from_bytes(kept.data, tallier.layout, f"calibration of {kept.stream}")
            except ArtefactError:
                return None
            self.put(kept, made)
        return made

    def put(self, kept: Calibrated, made: Calibration) -> None:
        self._read[kept.segment] = kept.at, made


def well(tallies: Iterable[Tally], alarms: Iterable[Alarm], annotations: Iterable[Annotation]) -> list[Tally]:
    """Tallies of panes in which all was well: outside of alarms that nobody called noise, and of what people marked."""
    return sorted_out(tallies, alarms, annotations)[0]


def sorted_out(
    tallies: Iterable[Tally], alarms: Iterable[Alarm], annotations: Iterable[Annotation]
) -> tuple[list[Tally], Counter[str]]:
    """Tallies of panes in which all was well; and how many were not, by what is known of them: the kind of an
    annotation, or ``alarm``.
    """
    marks = tuple(annotations)
    noise, real = ({each.alarm for each in marks if each.kind == kind} for kind in ("noise", "real"))
    marked = [(each.since, each.until, each.kind) for each in marks if each.kind in LEFT_OUT]
    # What was opened before there was any history may be how the stream is: it is left out only if somebody says so.
    some = [alarm for alarm in alarms if alarm.id not in noise and (not alarm.provisional or alarm.id in real)]
    out, why = list[Tally](), Counter[str]()
    for tally in tallies:
        key = tally.key
        known = [
            (alarm.onset, alarm.updated, "alarm")
            for alarm in some
            if alarm.segment in (key.segment, ALL) and alarm.reference == key.reference
        ]
        found = next((what for since, until, what in (*marked, *known) if since < key.end and key.start < until), "")
        if found:
            why[found] += 1
        else:
            out.append(tally)
    return out, why


def condition(key: PaneKey, kind: AlarmKind, sentence: str, onset: int, at: float) -> Alarm:
    """An alarm of something that is known to be wrong."""
    critical = kind in ("model changed", "silence")
    return Alarm(
        alarm_id(key, kind),
        key.stream,
        key.segment,
        key.reference,
        kind,
        "open",
        "critical" if critical else "warning",
        opened=key.end,
        onset=onset,
        updated=key.end,
        at=at,
        title=sentence,
    )


def _fresh(past: Iterable[Alarm], key: PaneKey) -> int | None:
    """The end of the last alarm before a pane, from where on the detector begins anew; of panes cut as this one."""
    mine = [alarm for alarm in past if (alarm.segment, alarm.kind) == (key.segment, "drift")]
    ends = [a.resolved for a in mine if a.resolved is not None and a.reference == key.reference]
    return max((end for end in ends if end <= key.end), default=None)


def _ended(reasons: Iterable[str]) -> list[str]:
    return [reason if reason.endswith(".") else f"{reason}." for reason in reasons]


def pace(tallies: Sequence[Tally]) -> float | None:
    """Panes in a second, of panes that are no spans of time; None where their rows have no times."""
    moments = [tally.moment for tally in tallies if tally.moment is not None]
    span = moments[-1] - moments[0] if len(moments) > 1 else 0.0
    return (len(moments) - 1) / span if span > 0 else None
