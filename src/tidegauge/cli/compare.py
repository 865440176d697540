"""``tidegauge compare A B``: did the vectors drift between two files, or from a reference?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.inputs import (
    check_model,
    kind_of_file,
    labels,
    load_reference,
    load_sketch,
    read_vectors,
    refuse_kind,
    scaled_as,
    sketch_vectors,
)
from tidegauge.cli.options import Form
from tidegauge.cli.output import busy, check_folder, coloured, emit, emit_paths, note, progress, write_whole_report
from tidegauge.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from tidegauge.comparison.settings import Settings
    from tidegauge.records import Batch, Columns, Comparison
    from tidegauge.reference import Reference
    from tidegauge.sketch.sketch import Sketch

NAME = "compare"
HELP = options.help_text(
    "Tell whether the vectors of B have drifted from those of A, how, and by how much.\n\n"
    "A and B are files, folders or patterns of .npy, .npz, Parquet, Arrow IPC, CSV or JSONL. A may be a reference that "
    "'tidegauge fit' made: B may then be of any size, or a sketch.\n\n"
    "Exit status: 0 no drift, 1 drift, 2 usage or data error, 3 insufficient data.",
    "tidegauge compare before.npy after.npy",
    "tidegauge compare before.parquet after.parquet --column vector --text-column text --outcome success",
    "tidegauge compare before.parquet after.parquet --outcome escalated:rises --documents index.parquet",
    "tidegauge compare before.parquet after.parquet --text-column text --outcome success --by length",
    "tidegauge compare before.npy after.npy --out report --format html",
    "tidegauge compare before.parquet after.parquet --outcome success --out report --interactive",
    "tidegauge compare normal.tg 'monday/*.parquet' --model-id my-encoder-1",
    "tidegauge compare before.npy after.npy --format json > result.json",
)


def command(
    before: Annotated[str, typer.Argument(metavar="A", help="What is normal: vectors, or a reference.")],
    after: Annotated[str, typer.Argument(metavar="B", help="What is asked about: vectors, or a sketch under A.")],
    column: options.VectorColumn = None,
    id_column: options.IdColumn = None,
    text_column: options.TextColumn = None,
    time_column: options.TimeColumn = None,
    session_column: options.SessionColumn = None,
    outcome: options.Outcomes = None,
    scale: options.Scale = None,
    truncate: options.Truncate = None,
    exchangeable: options.Exchangeable = False,
    alpha: options.Alpha = 0.05,
    min_effect: options.MinEffect = 0.0,
    seed: options.Seed = None,
    max_rejected: options.MaxRejected = None,
    model_id: options.ModelId = "",
    ignore_model_id: options.IgnoreModelId = False,
    no_samples: options.NoSamples = False,
    share: options.Share = 1.0,
    profile: options.Profile = None,
    documents: Annotated[
        str | None,
        typer.Option("--documents", metavar="FILE", help="The index as it is now: how much of B it covers."),
    ] = None,
    documents_before: Annotated[
        str | None,
        typer.Option("--documents-before", metavar="FILE", help="The index as it was at A, to tell what was lost."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN",
            help="Who it is that changed: a column such as client, or language or length of the texts.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write the whole report here: page, pictures, JSON, text."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="What stdout gets; html needs --out.")] = Form.text,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Write explore.html too: the map to point at and click; needs --out.")
    ] = False,
) -> None:
    """Compare two sides, print the result, and leave with its status."""
    from tidegauge.comparison import compare
    from tidegauge.comparison.conclude import relabelled
    from tidegauge.comparison.settings import Settings

    settings = Settings(alpha, min_effect, seed or 0, exchangeable, options.harms(outcome))
    limit = options.share_of_rejected(max_rejected)
    columns = options.columns(column, id_column, text_column, time_column, session_column, outcome, scale)
    asked = _Asked(documents, documents_before, by)
    columns = asked.columns(columns)
    _check_output(form, out, interactive=interactive)
    frozen = _check_kinds(before, after)
    with progress() as bar:
        if frozen:
            _refuse_with_reference(
                before, {"--exchangeable": exchangeable, "--seed": seed is not None, "--profile": profile is not None}
            )
            if by:
                raise UsageError("--by", got="a reference as A", want="two files of vectors: it keeps no such column")
            busy(bar, f"Reading {before}")
            reference = load_reference(before)
            check_model(before, reference, model_id, ignore=ignore_model_id)
            columns = scaled_as(reference, columns, scale)
            window = _window(bar, reference, after, columns, limit, truncate, samples=not no_samples, share=share)
            index = asked.read(bar, columns, limit, truncate)
            busy(bar, "Comparing")
            harm = options.harms(outcome)
            result = compare(
                reference,
                window,
                alpha=settings.alpha,
                min_effect=settings.min_effect,
                outcomes=harm,
                documents=index.get("documents"),
                documents_before=index.get("documents_before"),
            )
        else:
            _refuse_without_reference(
                {"--no-samples": no_samples, "--ignore-model-id": ignore_model_id, "--share": share != 1}
            )
            result = replace(
                _compare(bar, before, after, columns, limit, settings, truncate, profile, asked), model_id=model_id
            )
        result = relabelled(result, *labels(before, after))
        busy(bar, "Writing the report")
        paths = write_whole_report(result, out, interactive=interactive) if out else []
    _print(result, form, paths)
    raise typer.Exit(result.verdict.exit_status)


@dataclass(frozen=True)
class _Asked:
    """What is asked beside the drift, as it was said."""

    documents: str | None
    documents_before: str | None
    by: str | None

    def columns(self, columns: Columns) -> Columns:
        """The columns, with that of the property where it is one."""
        if self.by is None or (self.by in ("language", "length") and columns.text):
            return columns
        return replace(columns, segment=self.by)

    def read(self, bar: Progress, columns: Columns, limit: float, truncate: int | None) -> dict[str, Batch]:
        """The index snapshots that were named."""
        alone = replace(columns, text=None, id=None, time=None, session=None, segment=None, outcomes=())
        named = {"documents": self.documents, "documents_before": self.documents_before}
        return {key: read_vectors(bar, path, alone, limit, truncate) for key, path in named.items() if path}


def _check_output(form: Form, out: Path | None, *, interactive: bool) -> None:
    if form is Form.html and out is None:
        raise UsageError("--format html", got="no --out", want="a folder for the page and its pictures")
    if interactive and out is None:
        raise UsageError("--interactive", got="no --out", want="a folder for explore.html")
    if interactive:
        from tidegauge.report.interactive import require

        require()
    if out is not None:
        check_folder(out)


def _check_kinds(before: str, after: str) -> bool:
    """Tell whether A is a reference; refuse what cannot stand where it stands."""
    first, second = kind_of_file(before), kind_of_file(after)
    if first == "sketch":
        refuse_kind(before, first, "a reference, or vectors", "A sketch goes in place of B, under its reference as A")
    if second == "reference":
        refuse_kind(after, second, "vectors, or a sketch", "A reference goes in place of A")
    if second == "sketch" and first != "reference":
        refuse_kind(after, second, "vectors", "A sketch is compared with the reference that it was made under, as A")
    return first == "reference"


def _refuse_with_reference(path: str, given: dict[str, bool]) -> None:
    for name, used in given.items():
        if used:
            hint = f"{path} fixes this already: say it to 'tidegauge fit'"
            raise UsageError(name, got="a reference as A", want="two files of vectors", hint=hint)


def _refuse_without_reference(given: dict[str, bool]) -> None:
    for name, used in given.items():
        if used:
            raise UsageError(name, got="two files of vectors", want="a reference as A")


def _window(
    bar: Progress,
    reference: Reference,
    after: str,
    columns: Columns,
    limit: float,
    truncate: int | None,
    *,
    samples: bool,
    share: float,
) -> Sketch:
    """Make the sketch of B, or read it."""
    from tidegauge.gate import check_rejected
    from tidegauge.records import Columns

    if kind_of_file(after) != "sketch":
        return sketch_vectors(bar, reference, after, columns, limit, truncate, samples=samples, share=share)
    if replace(columns, scale=Columns().scale) != Columns() or truncate or not samples or share < 1:
        note(f"{after} is a sketch, which has its columns and samples already: options about them mean nothing here")
    sketch = load_sketch(after)
    check_rejected(sketch.side("window"), limit)
    return sketch


def _compare(
    bar: Progress,
    before: str,
    after: str,
    columns: Columns,
    limit: float,
    settings: Settings,
    truncate: int | None,
    profile: str | None,
    asked: _Asked,
) -> Comparison:
    from tidegauge.comparison import compare

    first, second = (read_vectors(bar, path, columns, limit, truncate) for path in (before, after))
    index = asked.read(bar, columns, limit, truncate)
    busy(bar, "Comparing")
    return compare(
        first,
        second,
        alpha=settings.alpha,
        min_effect=settings.min_effect,
        seed=settings.seed,
        exchangeable=settings.exchangeable,
        profile=profile or "standard",
        outcomes={name: harm for name, harm in settings.outcomes.items() if isinstance(harm, str)},
        documents=index.get("documents"),
        documents_before=index.get("documents_before"),
        by=asked.by,
    )


def _print(result: Comparison, form: Form, paths: list[Path]) -> None:
    """Print the result, then the paths; those go to stderr where stdout is JSON."""
    from tidegauge.report import json, text

    if form is Form.json:
        emit(json.render(result))
        for path in paths:
            note(f"wrote {path}")
        return
    emit(text.render(result, color=coloured()))
    if paths:
        emit("\n")
        emit_paths(paths)
