"""``tidegauge fit FILES -o REF``: freeze what is normal."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.inputs import kind_of_file, read_files, refuse_kind
from tidegauge.cli.output import busy, check_new_artefact, emit, note, progress

NAME = "fit"
HELP = options.help_text(
    "Freeze a reference: what is normal, as one file, that any later window can be compared with.\n\n"
    "Give rows of a time in which all was well, in the order in which they came.",
    "tidegauge fit normal.npy -o normal.tg",
    "tidegauge fit week1.parquet week2.parquet -o normal.tg --session-column session --outcome success",
    "tidegauge fit 'logs/2026-0[1-3]/*.parquet' -o normal.tg --model-id my-encoder-1 --rows 50000",
)


def command(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="Files, folders or patterns, in order of time.")
    ],
    out: options.OutFile,
    column: options.VectorColumn = None,
    id_column: options.IdColumn = None,
    text_column: options.TextColumn = None,
    time_column: options.TimeColumn = None,
    session_column: options.SessionColumn = None,
    outcome: options.Outcomes = None,
    scale: options.Scale = None,
    truncate: options.Truncate = None,
    exchangeable: options.Exchangeable = False,
    seed: options.Seed = None,
    max_rejected: options.MaxRejected = None,
    model_id: options.ModelId = "",
    no_samples: options.NoSamples = False,
    profile: options.Profile = None,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=1, help="Read at most the first N rows.")] = 200_000,
) -> None:
    """Fit a reference, and write it."""
    from tidegauge.comparison.settings import Settings
    from tidegauge.comparison.stored import treatments
    from tidegauge.gate import check_rejected
    from tidegauge.reference import Reference

    settings = Settings(seed=seed or 0, exchangeable=exchangeable)
    columns = options.columns(column, id_column, text_column, time_column, session_column, outcome, scale)
    check_new_artefact(out)
    for path in files:
        refuse_kind(path, kind_of_file(path), "vectors", "A reference is fitted on vectors")
    with progress() as bar:
        batch, cut = read_files(bar, files, columns, rows, truncate)
        if cut:
            note(f"used the first {rows:,} rows, and left the rest; --rows takes more")
        check_rejected(batch, options.share_of_rejected(max_rejected))
        busy(bar, "Fitting")
        reference = Reference.fit(
            batch,
            seed=settings.seed,
            model_id=model_id,
            samples=not no_samples,
            exchangeable=settings.exchangeable,
            profile=profile or "standard",
        )
        reference.save(out)
    what = f"{reference.rows:,} rows of width {reference.width}, calibrated by {reference.calibration.unit}"
    said = "; ".join([what, *treatments(reference.stored, reference.width)])
    emit(f"Reference {reference.hash[:12]}: {said}.\n{out}\n")
