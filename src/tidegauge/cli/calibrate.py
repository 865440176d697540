"""``tidegauge calibrate STREAM``: learn anew how panes vary by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import opened
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import busy, emit, progress

if TYPE_CHECKING:
    from tidegauge.run.calibrate import Learned
    from tidegauge.run.promise import Promise
    from tidegauge.spec.alarms import Budget

NAME = "calibrate"
HELP = options.help_text(
    "Learn anew from all the history that is kept how panes vary by themselves, without the times of alarms and of "
    "what people marked by 'tidegauge annotate'. It is done by itself while the history grows up to what is promised; "
    "after that, and after annotations, a person asks for it.\n\n"
    "Says which panes it learned from, the threshold, and how long that is known to go without a false alarm.",
    "tidegauge calibrate queries",
    "tidegauge calibrate queries --segment de --format json",
)
_SCHEMA: Final = "tidegauge.calibration/1"
_WORTH: Final = 1.5
"""How many times the largest change between weeks an effect of interest has by custom."""


def command(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="A stream of the settings.")],
    segment: Annotated[
        str | None,
        typer.Option("--segment", metavar="NAME", help="This segment alone; of all rows and every one if not said."),
    ] = None,
    config: options.Config = None,
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Calibrate, and say what is held."""
    from tidegauge.run.alarms import lookout_of
    from tidegauge.run.calibrate import calibrate
    from tidegauge.run.history import check_segment
    from tidegauge.run.promise import promises

    with opened(config) as at, progress() as bar:
        spec = at.stream(stream)
        check_segment(at.state(stream), segment or "")
        busy(bar, "Learning from the history")
        lookout = lookout_of(at.spec, spec)
        learned = calibrate(at.store, lookout, at.monitor(stream), segment=segment, at=time.time())
        known = {each.segment: each for each in promises(at.store, lookout, at.state(stream))}
    budget = at.spec.alarms.budget
    if form is PlainForm.json:
        told = {"schema": _SCHEMA, "stream": stream, "budget": str(budget)}
        segments = [_json(each, known.get(each.segment)) for each in learned]
        emit(json.dumps(told | {"segments": segments}, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    emit("".join(f"{line}\n" for each in learned for line in _lines(stream, each, known.get(each.segment), budget)))


def _lines(stream: str, learned: Learned, promise: Promise | None, budget: Budget) -> Iterator[str]:
    from tidegauge.report.formats import clean
    from tidegauge.report.promise import achieved_panes, achieved_said, learned_said, promised_said
    from tidegauge.run.alarms import FEWEST_PANES

    yield f"{stream}/{clean(learned.segment, 40)}" if learned.segment else stream
    yield from _row("panes", f"{learned.used:,} used{_left_out(learned.left_out.items())}")
    if not learned.anew:
        yield from _row("", f"fewer than {FEWEST_PANES}: what is in force stays in force")
    if promise is not None:
        yield from _row("promise", promised_said(promise, budget))
        yield from _row("threshold", "" if promise.threshold is None else f"{promise.threshold:.2f} sd")
        in_panes = f", in panes {achieved_panes(promise)}" if promise.pane is not None and promise.achieved else ""
        yield from _row("held", f"{achieved_said(promise)}{in_panes}")
        yield from _row("", learned_said(promise))
    if learned.between_weeks is not None:
        change = f"{learned.between_weeks:.1f} % of the traffic from one week to the next at most"
        yield from _row("weeks", f"{change}: a min_effect of {_WORTH * learned.between_weeks:.1f} lies beyond it")


def _row(label: str, said: str) -> Iterator[str]:
    if said:
        yield f"  {label:<10}  {said}"


def _left_out(why: Sequence[tuple[str, int]] | Any) -> str:
    parts = [f"{count:,} for {'alarms' if what == 'alarm' else what}" for what, count in sorted(why)]
    return f"; left out: {', '.join(parts)}" if parts else ""


def _json(learned: Learned, promise: Promise | None) -> dict[str, Any]:
    from tidegauge.report.promise import promise_json

    return {
        "segment": learned.segment,
        "used": learned.used,
        "left_out": dict(learned.left_out),
        "anew": learned.anew,
        "between_weeks": learned.between_weeks,
        "promise": None if promise is None else promise_json(promise),
    }
