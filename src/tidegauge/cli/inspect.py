"""``tidegauge inspect FILE``: what a reference or a sketch is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidegauge.cli import options
from tidegauge.cli.inputs import kind_of_file, load_reference, load_sketch
from tidegauge.cli.options import PlainForm
from tidegauge.cli.output import emit
from tidegauge.errors import ArtefactError

if TYPE_CHECKING:
    from tidegauge.sketch.sketch import Sketch

NAME = "inspect"
HELP = options.help_text(
    "Say what a reference or a sketch is: of what, how many rows, until when, and how finely it can see.",
    "tidegauge inspect normal.tg",
    "tidegauge inspect monday.tgs --format json",
)
_SCHEMA = "tidegauge.inspect/1"


def command(
    file: Annotated[str, typer.Argument(metavar="REF|SKETCH", help="What 'tidegauge fit' or 'tidegauge sketch' made.")],
    form: Annotated[PlainForm, typer.Option("--format", help="What stdout gets.")] = PlainForm.text,
) -> None:
    """Print what a file is."""
    kind = kind_of_file(file)
    if not kind:
        _refuse(file)
    facts = _reference(file) if kind == "reference" else _sketch(file)
    if form is PlainForm.json:
        emit(json.dumps({"schema": _SCHEMA, **facts}, indent=2, ensure_ascii=False) + "\n")
    else:
        emit(_lines(facts))


def _refuse(file: str) -> None:
    got = (
        "no such file"
        if not Path(file).exists()
        else "a folder"
        if Path(file).is_dir()
        else "a file that tidegauge did not make"
    )
    raise ArtefactError(file, got=got, want="a reference or a sketch")


def _reference(file: str) -> dict[str, Any]:
    from tidegauge.comparison.stored import treatments

    reference = load_reference(file)
    calibration = reference.calibration
    return {
        "kind": "reference",
        "hash": reference.hash,
        "rows": reference.rows,
        "width": reference.width,
        "treatment": treatments(reference.stored, reference.width),
        "profile": reference.basis.profile,
        "model_id": reference.model_id,
        "seed": reference.seed,
        **_content(reference.base),
        "calibration": {"unit": calibration.unit, "units": calibration.units, "rows": calibration.rows},
        "resolution": reference.resolution(),
        "bytes": Path(file).stat().st_size,
    }


def _sketch(file: str) -> dict[str, Any]:
    from tidegauge.comparison.stored import treatments

    sketch = load_sketch(file)
    return {
        "kind": "sketch",
        "reference": sketch.reference,
        "source": sketch.source,
        "rows": sketch.rows,
        **({"rows_seen": sketch.seen, "share": sketch.share} if sketch.share < 1 else {}),
        "width": len(sketch.sums["mean"]) - 1,
        "treatment": treatments(sketch.stored, len(sketch.sums["mean"]) - 1),
        **_content(sketch),
        "bytes": Path(file).stat().st_size,
    }


def _content(sketch: Sketch) -> dict[str, Any]:
    from tidegauge.window.moment import moment

    first, last = sketch.times or (None, None)
    return {
        "first_time": None if first is None else f"{moment(first)} UTC",
        "last_time": None if last is None else f"{moment(last)} UTC",
        "rejected": dict(sketch.rejected),
        "outcomes": sorted(sketch.outcomes),
        "samples": {"uniform": len(sketch.uniform.x), "novel": len(sketch.novel.x)},
    }


def _lines(facts: Mapping[str, Any]) -> str:
    """Facts as aligned lines; what a fact is made of is indented below it."""
    width = max(len(name) for name in facts)
    lines: list[str] = []
    for name, value in facts.items():
        head = name.replace("_", " ").ljust(width)
        if isinstance(value, Mapping) and value:
            lines += [head.rstrip(), *(f"  {part.replace('_', ' ')}: {_value(each)}" for part, each in value.items())]
        else:
            lines.append(f"{head}  {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, list | dict) and not value):
        return "none"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
