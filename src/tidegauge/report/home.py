"""The first page: where every stream stands, in one sentence each, and what is behind it. Pure functions.

Its parts are in the order of the dashboard's rows, and go by their names: ``tidegauge.export.panels``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tidegauge.export.panels import ROWS
from tidegauge.records import Alarm, Comparison, FollowedCluster, Link, Window
from tidegauge.report import model
from tidegauge.report.alarms import lasts_open, name_of, state_said
from tidegauge.report.formats import clean, count, drift_value, percent
from tidegauge.report.html import template
from tidegauge.report.link import coverage_said, lag_said, span_said, step_said
from tidegauge.report.model import Fact, Tone
from tidegauge.report.promise import promise_line, segments_lines
from tidegauge.report.status import Standing, ago
from tidegauge.report.windows import (
    Unit,
    cluster_lines,
    content_line,
    end_said,
    length_said,
    rate_said,
    start_said,
    unit_of,
)
from tidegauge.run.link import Linked
from tidegauge.window.moment import moment

CLUSTERS, ALARMS, EXAMPLES = 6, 20, 3
_HOUR: Final = 3600
NO_REFERENCE: Final = "no reference"
OPEN = 4
"""So many streams are shown unfolded; of more, those that need somebody."""
_WORDS: Final[Mapping[str, str]] = {
    "1h": "hour",
    "1d": "day",
    "1w": "week",
    "1m": "minute",
}
_TITLES: Final = {panel.title: panel.description for row in ROWS for panel in row.panels}


@dataclass(frozen=True, slots=True)
class Pieces:
    """What takes a while to make of a stream, as far as it is there; ``missing`` says in words why something is not.

    Attributes
    ----------
    course : bytes or None
        Drift and outcomes on one time, as SVG.
    linked : Linked or None
    live : Comparison or None
        The live window against the reference.
    clusters : tuple of FollowedCluster
        Those of the reference in force.
    pending : bool
        Whether something is being made at the moment.
    """

    course: bytes | None = None
    linked: Linked | None = None
    live: Comparison | None = None
    clusters: tuple[FollowedCluster, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """How a stream is: in a word, and in a sentence."""

    tone: Tone
    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class AlarmCard:
    """An alarm that lasts, as it is shown."""

    id: str
    title: str
    about: str
    moved: tuple[str, ...]
    examples: tuple[str, ...]
    open: bool
    advice: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure in words; ``why`` is why one looks at it."""

    title: str
    value: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what is said of a stream."""

    title: str
    lines: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    picture: str = ""
    alt: str = ""
    more: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamView:
    """Everything that is said of a stream."""

    name: str
    said: Said
    unfolded: bool
    alarms: tuple[AlarmCard, ...]
    more_alarms: int
    sections: tuple[Section, ...]
    live: model.Page | None
    live_missing: str
    report: str


@dataclass(frozen=True, slots=True)
class Home:
    """The first page."""

    title: str
    tone: Tone
    sentence: str
    at: str
    refresh: int
    pending: bool
    streams: tuple[StreamView, ...]
    first: tuple[Fact, ...]
    faults: tuple[str, ...]


def is_empty(at: Standing) -> bool:
    """Whether no row of a stream has come yet."""
    return at.state is None or not (at.state.seen or at.windows)


# ---------------------------------------------------------------- one sentence


def said_of(at: Standing, now: float) -> Said:
    """How a stream is, in one sentence.

    Examples
    --------
    >>> said_of(Standing("queries", None), 0.0).sentence
    'queries: nothing was recorded yet.'
    """
    name, state = clean(at.name, 64), at.state
    if state is None:
        return Said("unknown", "nothing yet", f"{name}: nothing was recorded yet.")
    if at.refused:
        return Said("alert", "settings", f"{name}: the settings do not fit what is kept: {clean(at.refused, 300)}")
    if at.baseline is None:
        return Said("unknown", NO_REFERENCE, f"{name}: nothing can be measured yet, as no reference is in force.")
    if is_empty(at):
        return Said("unknown", "no rows yet", f"{name}: a reference is in force, and no row has come yet.")
    tone, word, rest = _judged(at, _shown(at), now)
    also = [at.silence.text] if at.silence is not None else []
    also += [f"Rows of another model are set aside: {clean(state.model, 200)}."] if state.model else []
    if also:
        tone, word = "alert", "silence" if at.silence is not None else "model changed"
    return Said(tone, word, " ".join([f"{name}: {rest}.", *(clean(each, 300) for each in also)]))


def _judged(at: Standing, window: Window | None, now: float) -> tuple[Tone, str, str]:
    """The tone, a word, and the rest of the sentence."""
    measured = _measured(window, at.unit, now)
    if at.alarms:
        unseen = [each for each in at.alarms if lasts_open(each, now)]
        n = len(at.alarms)
        lasting = f"{measured}; {count(n)} alarm{'s' * (n != 1)} last{'s' * (n == 1)}"
        if not unseen:
            return "unknown", "looked after", f"{lasting}, and somebody looks after {'it' if n == 1 else 'each'}"
        return "alert", "alarm", f"{lasting}, since {start_said(min(each.onset for each in unseen), at.unit)}"
    if window is None or window.drift is None:
        return "unknown", "not yet known" if window is None else window.state, measured
    promise = at.promises[0] if at.promises else None
    if promise is None:
        drifted = window.state == "drift"
        return ("alert", "drift", f"{measured}, more than chance") if drifted else ("calm", window.state, measured)
    if not promise.firm:
        return "unknown", "provisional", f"{measured}; what is usual is known provisionally only, and no alarm lasts"
    return "calm", "as usual", f"{measured}, within what is usual"


def _measured(window: Window | None, unit: Unit, now: float) -> str:
    if window is None:
        return "no window is closed yet"
    when = _when(window, unit, now)
    if window.drift is None:
        return f"{window.state} {when}"
    value = window.drift.value
    return f"{f'drift {drift_value(value)}' if value > 0 else 'no drift'} of the traffic {when}"


def _when(window: Window, unit: Unit, now: float) -> str:
    length = length_said(window.key.length, unit)
    words = _WORDS.get(length, length)
    if unit == "snapshot":
        return "now"
    if unit == "rows":
        return f"in the last {words}"
    recent = now - window.key.end <= 2 * window.key.length
    return f"in the last {words}" if recent else f"in the {words} until {end_said(window.key.end, unit)}"


def _shown(at: Standing) -> Window | None:
    """The newest window that the sentence speaks of: of the shortest length from an hour on, or of rows above the pane;
    of the shortest that there is otherwise.
    """
    lengths = sorted({each.key.length for each in at.windows})
    if at.unit == "seconds":
        lengths = [each for each in lengths if each >= _HOUR] or lengths
    elif at.unit == "rows":
        lengths = lengths[1:2] or lengths
    return next((each for each in at.windows if each.key.length == lengths[0]), None)


# ---------------------------------------------------------------- parts


def _verdict(at: Standing, pieces: Pieces) -> Section | None:
    if not at.windows or at.state is None:
        return None
    facts = [Panel(length_said(each.key.length, at.unit), content_line(each, at.unit)) for each in at.windows]
    newest = Panel("Newest row, ago", ago(at.age or 0.0), _TITLES["Newest row, ago"])
    return Section(_title("Verdict"), panels=(*facts, newest) if at.age is not None else tuple(facts))


def _course(at: Standing, pieces: Pieces) -> Section | None:
    if is_empty(at) or at.unit == "snapshot":
        return None
    lines, linked = list[str](), pieces.linked
    if linked is not None:
        lines.append(clean(linked.found.sentence, 600))
        lines += [_tied(each, linked) for each in linked.links if each.state == "associated" and not each.segment]
    elif "linked" in pieces.missing:
        lines.append(f"Links are not known: {pieces.missing['linked']}.")
    units = {} if at.settings is None else at.settings.units
    newest = tuple(
        Panel(f"{clean(each.outcome, 40)}, newest pane", rate_said(each, units.get(each.outcome, "number")))
        for each in at.measured
    )
    alarms = f"{count(len(at.alarms))} alarm{'s' * (len(at.alarms) != 1)} last"
    name = clean(at.name, 64)
    return Section(
        _title("Drift and outcomes on one time axis"),
        tuple(lines),
        newest,
        "" if pieces.course is None else _svg(pieces.course),
        f"Drift of {name}, and below it its outcomes, over the last weeks; {alarms}.",
        (Fact("What ties outcomes to drift", f"/v1/streams/{at.name}/link"),) if linked is not None else (),
    )


def _tied(link: Link, linked: Linked) -> str:
    name, step = clean(link.outcome.name, 40), step_said(link.outcome, link.slope)
    return f"{name} is associated with drift, which proves no cause: {step} per % of drift, {_lag(link, linked)}."


def _lag(link: Link, linked: Linked) -> str:
    windows = span_said(linked.length, unit_of(linked.spec))
    return f"{lag_said(link.lag, linked)}, by windows of {windows}"


def _clusters(at: Standing, pieces: Pieces) -> Section | None:
    alive = [each for each in pieces.clusters if each.gone is None]
    if not alive:
        return None
    lines = [" ".join(line.strip() for line in cluster_lines(each, at.unit)) for each in alive[-CLUSTERS:]]
    return Section(_title("New clusters"), tuple(lines))


def _coverage(at: Standing, pieces: Pieces) -> Section | None:
    found = None if pieces.linked is None else pieces.linked.changed.coverage
    if found is None or pieces.linked is None:
        return None
    return Section(_title("Coverage"), (coverage_said(found, pieces.linked.changed.documents),))


def _quality(at: Standing, pieces: Pieces) -> Section | None:
    if at.state is None or is_empty(at):
        return None
    aside = ", ".join(f"{count(n)} {clean(reason, 60)}" for reason, n in at.state.aside.items()) or "none"
    panels = [_panel("Rows", f"{count(at.state.seen)} so far"), _panel("Rows set aside", aside)]
    window = _shown(at)
    if window is not None and window.rows:
        panels.append(_panel("Rows of the newest window", count(window.rows)))
        panels.append(_panel("Repeated vectors", percent(window.duplicates / window.rows)))
    if at.state.segments:
        panels.append(Panel("Segments", ", ".join(clean(each, 40) for each in at.state.segments)))
    return Section(_title("Data quality"), panels=tuple(panels))


def _calibration(at: Standing, pieces: Pieces) -> Section | None:
    if not at.promises or at.budget is None or at.baseline is None:
        return None
    lines = (promise_line(at.promises[0], at.budget), *segments_lines(at.promises))
    since = f"{at.baseline.reference[:12]}, in force since {moment(at.baseline.at)} UTC"
    return Section(_title("Calibration"), lines, (Panel("Reference", since),))


PARTS: Final[Mapping[str, Callable[[Standing, Pieces], Section | None]]] = {
    "Verdict": _verdict,
    "Drift and outcomes on one time axis": _course,
    "New clusters": _clusters,
    "Coverage": _coverage,
    "Data quality": _quality,
    "Calibration": _calibration,
}
"""What is shown of a row of the dashboard, by its title."""


def _title(row: str) -> str:
    return next(each.title for each in ROWS if each.title == row)


def _panel(title: str, value: str) -> Panel:
    return Panel(title, value, _TITLES[title])


def _svg(picture: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(picture).decode('ascii')}"


def alarm_card(alarm: Alarm, unit: Unit, now: float, advice: str) -> AlarmCard:
    """An alarm that lasts."""
    began = f"opened {end_said(alarm.opened, unit)}, likely since {start_said(alarm.onset, unit)}"
    drift = [] if alarm.drift is None else [f"as if {drift_value(alarm.drift)} of the traffic had moved"]
    about = ", ".join([f"{alarm.severity}, {alarm.kind} in {name_of(alarm)}", state_said(alarm, now), began, *drift])
    shown = tuple(clean(each.text or each.id, 120) for each in alarm.examples[:EXAMPLES])
    moved = tuple(clean(each, 400) for each in alarm.reasons)
    return AlarmCard(alarm.id, clean(alarm.title, 300), about, moved, shown, lasts_open(alarm, now), advice)


# ---------------------------------------------------------------- the page

SCRIPT: Final = """
const again = document.getElementById("again"), folds = [...document.querySelectorAll("details")];
const kept = JSON.parse(sessionStorage.getItem("folds") ?? "{}");
for (const fold of folds) {
  fold.open = kept[fold.id] ?? fold.open;
  fold.addEventListener("toggle", () => {
    kept[fold.id] = fold.open;
    sessionStorage.setItem("folds", JSON.stringify(kept));
  });
}
setInterval(() => {
  if (again.checked && !document.hidden && !String(getSelection())) location.reload();
}, 1000 * again.dataset.seconds);
"""
"""Loads the page again, unless somebody reads it or does not want it, and keeps what was folded."""
POLICY: Final = "script-src 'sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode() + "'"
"""What of a policy lets this script run, and no other."""


def home(
    standings: Sequence[Standing],
    pieces: Mapping[str, Pieces],
    *,
    now: float,
    address: str,
    guarded: bool,
    faults: Mapping[str, str],
    advice: Callable[[Alarm], str],
    refresh: int = 60,
) -> Home:
    """Everything that the first page says.

    Parameters
    ----------
    standings : sequence of Standing
    pieces : mapping of stream to Pieces
    now : float
        Epoch seconds by the clock.
    address : str
        Of the service, for what is told to be typed.
    guarded : bool
        Whether a token is needed.
    faults : mapping of str to str
        What goes wrong in the service at the moment.
    advice : callable
        What to do about an alarm.
    refresh : int
        Seconds until the page is loaded again.
    """
    said = {each.name: said_of(each, now) for each in standings}
    views = tuple(
        _stream(each, said[each.name], pieces.get(each.name, Pieces()), now, advice, unfolded=len(standings) <= OPEN)
        for each in standings
    )
    tones = [each.tone for each in said.values()]
    tone: Tone = "alert" if "alert" in tones else "unknown" if "unknown" in tones or not tones else "calm"
    pending = any(each.pending for each in pieces.values())
    return Home(
        f"tidegauge: {_whole(standings, said, now)}",
        tone,
        _whole(standings, said, now),
        f"{moment(now)} UTC",
        5 if pending else refresh,
        pending,
        views,
        _first(standings, address, guarded=guarded),
        tuple(_faults(said, faults)),
    )


def _faults(said: Mapping[str, Said], faults: Mapping[str, str]) -> Iterator[str]:
    """What goes wrong, but for what a stream's own sentence says."""
    for name, why in faults.items():
        stream = said.get(name.rpartition(" ")[2])
        if stream is None or stream.state != NO_REFERENCE:
            yield f"{clean(name, 80)}: {clean(why, 300)}"


def _whole(standings: Sequence[Standing], said: Mapping[str, Said], now: float) -> str:
    """All streams in one sentence."""
    lasting = [alarm for each in standings for alarm in each.alarms if lasts_open(alarm, now)]
    n, streams = len(standings), f"{count(len(standings))} stream{'s' * (len(standings) != 1)}"
    if lasting:
        k = len(lasting)
        return f"{count(k)} alarm{'s' * (k != 1)} last{'s' * (k == 1)}, of {streams}"
    worse = [each.name for each in standings if said[each.name].tone == "alert"]
    if worse:
        return f"look at {', '.join(clean(each, 64) for each in worse[:5])}, of {streams}"
    usual = sum(each.tone == "calm" for each in said.values())
    return f"{streams}, no alarm lasts" if usual < n else f"{streams}, all as usual"


def _stream(
    at: Standing, said: Said, pieces: Pieces, now: float, advice: Callable[[Alarm], str], *, unfolded: bool
) -> StreamView:
    cards = tuple(alarm_card(each, at.unit, now, advice(each)) for each in at.alarms[-ALARMS:][::-1])
    parts = (PARTS[row.title](at, pieces) for row in ROWS if row.title in PARTS)
    return StreamView(
        clean(at.name, 64),
        said,
        unfolded or said.tone == "alert",
        cards,
        len(at.alarms) - len(cards),
        tuple(part for part in parts if part is not None),
        None if pieces.live is None else model.page(pieces.live),
        pieces.missing.get("live", ""),
        f"/v1/streams/{at.name}/report" if pieces.live is not None else "",
    )


def _first(standings: Sequence[Standing], address: str, *, guarded: bool) -> tuple[Fact, ...]:
    """What to type where nothing came yet; nothing where something did."""
    if not all(map(is_empty, standings)):
        return ()
    stream = next((each.name for each in standings), "queries")
    known = any(each.baseline is not None for each in standings)
    fit = f"tidegauge fit normal.parquet -o normal.tg\ntidegauge rebaseline {stream} normal.tg"
    send = (
        "from tidegauge.client import Client\n"
        f'Client("{address}", stream="{stream}").observe([0.12, -0.03, 0.4], id="query-1", text="where is my parcel")'
    )
    body = '{"vectors": [[0.12, -0.03, 0.4]], "ids": ["query-1"], "texts": ["where is my parcel"]}'
    token = ' \\\n  -H "Authorization: Bearer $TIDEGAUGE_TOKEN"' if guarded else ""
    json = "-H 'Content-Type: application/json'"
    curl = f"curl {address}/v1/streams/{stream}/batches {json}{token} \\\n  -d '{body}'"
    steps = [] if known else [Fact("Say what is normal", fit)]
    return (
        *steps,
        Fact("Send the first rows, as wide as the reference, from Python", send),
        Fact("or from a shell", curl),
    )


def render(page: Home) -> str:
    """Render the first page. It loads nothing; what it links to is of the same service."""
    return (
        template("home.html.j2")
        .render(page=page, script=SCRIPT, policy=POLICY)
        .encode("utf-8", "replace")
        .decode("utf-8")
    )
