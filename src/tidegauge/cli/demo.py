"""``tidegauge demo --out DIR``: the main job on a generated search product, week 0 to week 8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.output import (
    busy,
    check_folder,
    coloured,
    emit,
    emit_paths,
    note,
    progress,
    write_whole_report,
    writing,
)
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from tidegauge.records import Batch, Comparison
    from tidegauge.report.model import WeekRow
    from tidegauge.testing import Product

NAME = "demo"
HELP = options.help_text(
    "Run the main job on generated data: a search product over nine weeks, in which three things happen one after "
    "another, each week compared with week 0. Writes the report of week 8 and the pictures.\n\n"
    "Nothing happens in weeks 1 and 2, but about one seed in a hundred has a false alarm there: seed 0 is one.",
    "tidegauge demo",
    "tidegauge demo --out /tmp/demo --seed 0",
)
_ALPHA = 0.05
_MIDDLE = 4
_CLEAR = 0.01


def command(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the report and pictures go.")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Chooses the product.")] = 1,
) -> None:
    """Compare every week with week 0, print a line each, and write the report of the last."""
    from tidegauge.testing import Product

    check_folder(out)
    product = Product(seed)
    weeks = [product.week(k) for k in range(_weeks())]
    emit(_introduction(weeks))
    emit(_row("week", "verdict", "drift (95 % interval)", "what changed", "success"))
    emit(_row("0", "", "", "the reference", _rate(_success(weeks[0]))))
    found: list[Comparison] = []
    for k in range(1, len(weeks)):
        with progress() as bar:
            busy(bar, f"Comparing week {k} with week 0")
            found.append(_compare(weeks, k, product.seed))
        emit(_week_line(k, found[-1]))
    emit(_conclusion(product, found[-1]))
    with progress() as bar:
        busy(bar, "Drawing")
        paths = _write(found, out)
    emit_paths(paths)


def _weeks() -> int:
    from tidegauge.testing import WEEKS

    return WEEKS


def _level() -> float:
    """Alpha of one week: the budget is shared by all weeks."""
    return _ALPHA / (_weeks() - 1)


def _compare(weeks: list[Batch], k: int, seed: int) -> Comparison:
    from tidegauge.comparison import compare
    from tidegauge.comparison.conclude import relabelled

    return relabelled(compare(weeks[0], weeks[k], alpha=_level(), seed=seed), "week 0", f"week {k}")


def _introduction(weeks: list[Batch]) -> str:
    judged, first = len(weeks) - 1, weeks[0]
    alarmed = f"{100 * (1 - (1 - _ALPHA) ** judged):.0f} %"
    return (
        f"Generated data: a made-up search product, {first.rows:,} queries a week as vectors of width {first.width}.\n"
        f"Each week is compared with week 0. {judged} looks at alpha {_ALPHA:g} each would raise a false alarm in\n"
        f"{alarmed} of unchanged runs, so each week is judged at {_ALPHA:g} / {judged} = {_level():g}.\n\n"
    )


def _row(*cells: str) -> str:
    week, verdict, drift, changed, success = cells
    return f"{week:>4}  {verdict:<9}  {drift:>22}  {changed:<48} {success:>7}\n"


def _week_line(k: int, c: Comparison) -> str:
    from tidegauge.report.formats import plain

    # A drift below zero is noise about zero; its interval says so.
    drift = f"{c.drift.value:.1f} % ({c.drift.low:.1f} to {c.drift.high:.1f})"
    return plain(_row(str(k), c.verdict.state, drift, _changes(c), _rate(_rates(c)["success"])))


def _changes(c: Comparison) -> str:
    """Name what changed, shortly; nothing where there is no drift."""
    if c.verdict.state != "drift":
        return ""
    parts: list[str] = []
    if c.mean_shift.p <= _CLEAR:
        parts.append(f"mean {c.mean_shift.sd:.2f} sd")
    if c.spread.p <= _CLEAR:
        parts.append(f"spread {100 * (c.spread.ratio - 1):+.1f} %")
    if c.novelty.clusters:
        count = len(c.novelty.clusters)
        noun = "new cluster" if count == 1 else f"{count} new clusters"
        parts.append(f"{noun} {100 * c.novelty.share:.1f} %")
    return ", ".join(parts) or "shape only"


def _rates(c: Comparison) -> dict[str, float]:
    return {change.name: change.after for change in c.outcomes}


def _success(week: Batch) -> float:
    numerator, denominator = week.outcomes["success"].sum(axis=0)
    return float(numerator / denominator)


def _rate(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _conclusion(product: Product, last: Comparison) -> str:
    from tidegauge.report import text

    made = f"What was made to happen by week {_weeks() - 1}: {product.truth(_weeks() - 1).sentence}."
    return f"\n{made}\n\n{_headline(text.render(last, color=coloured()), 1 + (last.impact is not None))}\n"


def _headline(report: str, paragraphs: int) -> str:
    """The verdict of a text report, and below it what the drift does to the outcomes."""
    return "\n\n".join(report.split("\n\n")[:paragraphs]) + "\n"


def _write(found: list[Comparison], out: Path) -> list[Path]:
    """Write the report of the last week, and the pictures of the course of things."""
    from tidegauge.report import figures
    from tidegauge.report.files import replace_file

    paths = write_whole_report(found[-1], out, interactive=_can_explore())
    middle = found[_MIDDLE - 1]
    pictures = {
        "pc1-week0.svg": figures.pc1_side_figure(middle, "before"),
        f"pc1-week{_MIDDLE}.svg": figures.pc1_side_figure(middle, "after"),
        "history.svg": figures.history_figure([_history_row(k, c) for k, c in enumerate(found, start=1)]),
    }
    with writing(out):
        return [*paths, *(replace_file(out / name, figures.svg(each)) for name, each in pictures.items())]


def _can_explore() -> bool:
    """Whether the interactive page can be made; says what is missing where it cannot."""
    from tidegauge.report.interactive import require

    try:
        require()
    except UsageError as error:
        note(f"explore.html is left out: {error.hint}")
        return False
    return True


def _history_row(k: int, c: Comparison) -> WeekRow:
    from tidegauge.report.model import WeekRow

    return WeekRow(f"week {k}", c.drift, c.verdict.state, _rates(c))
