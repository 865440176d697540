"""What moved: the sentences and examples of an alarm, from the windows since its onset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tidegauge.errors import TidegaugeError
from tidegauge.monitor import Monitor
from tidegauge.records import ALL, Alarm, Example, Part

if TYPE_CHECKING:
    from tidegauge.records import Comparison

MOST_EXAMPLES = 8
_SEES = {
    "mmd": "the mean of the vectors",
    "whitened_mmd": "rare directions of the vectors",
    "leading_mmd": "the mix of topics",
    "spread": "the spread of the vectors",
    "component_spread": "the spread along some directions",
    "cell_spread": "the width of many clusters",
    "mass_scan": "the traffic of a cluster",
    "spread_scan": "the width of a cluster",
    "novelty": "rows far from everything known",
}


def moved(parts: Iterable[Part], monitor: Monitor, alarm: Alarm) -> dict[str, Any]:
    """Title, reasons and examples of an alarm: what ``compare`` says of the rows of these parts."""
    from tidegauge.comparison import compare

    chosen = [part for part in parts if alarm.segment in (ALL, part.key.segment)]
    seen = f"{_SEES.get(alarm.score, alarm.score).capitalize()} changed"
    over = f"{alarm.panes} pane{'s' * (alarm.panes != 1)}"
    spoke = f"{seen}: {alarm.value:.1f} sd over {over}, threshold {alarm.threshold:.1f}"
    sketch = monitor.sum(chosen, lambda _part, _error: None)
    try:
        result = compare(monitor.reference, sketch, alpha=monitor.spec.alpha)
    except TidegaugeError:
        return {"title": f"{seen}.", "reasons": (f"{spoke}.",), "examples": ()}
    return {
        "title": _title(result, seen),
        "reasons": (f"{spoke}.", *_reasons(result)),
        "examples": _examples(result),
    }


def _title(result: Comparison, seen: str) -> str:
    clusters = result.novelty.clusters
    if clusters:
        return f"New: {clusters[0].name}, {100 * clusters[0].share:.2g} % of the rows."
    return f"{seen}."


def _reasons(result: Comparison) -> list[str]:
    found = [result.mean_shift.sentence, result.spread.sentence, result.novelty.sentence]
    changes = sorted((*result.gained, *result.lost), key=lambda region: -abs(region.z))[:3]
    found += [
        f"{each.cell}: {100 * each.share_before:.2g} % of the rows before, {100 * each.share_after:.2g} % now."
        for each in changes
    ]
    return [each for each in found if each]


def _examples(result: Comparison) -> tuple[Example, ...]:
    groups = (*result.novelty.clusters, *result.gained)
    return tuple(dict.fromkeys(example for group in groups for example in group.examples))[:MOST_EXAMPLES]
