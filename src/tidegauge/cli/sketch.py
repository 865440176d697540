"""``tidegauge sketch B --reference REF -o FILE``: many vectors as one small file."""

from __future__ import annotations

from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.inputs import check_model, kind_of_file, load_reference, refuse_kind, scaled_as, sketch_vectors
from tidegauge.cli.output import check_new_artefact, emit, progress

NAME = "sketch"
HELP = options.help_text(
    "Turn vectors, however many, into one small file under a reference, to be compared later or elsewhere.",
    "tidegauge sketch 'monday/*.parquet' --reference normal.tg -o monday.tgs",
    "tidegauge compare normal.tg monday.tgs",
    "tidegauge sketch queries.npy --reference normal.tg -o queries.tgs --no-samples",
    "tidegauge sketch 'lake/*.parquet' --reference normal.tg -o lake.tgs --id-column id --share 0.05",
)


def command(
    vectors: Annotated[str, typer.Argument(metavar="B", help="A file, folder or pattern of any size.")],
    reference: Annotated[str, typer.Option("--reference", "-r", metavar="REF", help="What 'tidegauge fit' made.")],
    out: options.OutFile,
    column: options.VectorColumn = None,
    id_column: options.IdColumn = None,
    text_column: options.TextColumn = None,
    time_column: options.TimeColumn = None,
    session_column: options.SessionColumn = None,
    outcome: options.Outcomes = None,
    scale: options.Scale = None,
    truncate: options.Truncate = None,
    max_rejected: options.MaxRejected = None,
    model_id: options.ModelId = "",
    ignore_model_id: options.IgnoreModelId = False,
    no_samples: options.NoSamples = False,
    share: options.Share = 1.0,
) -> None:
    """Sketch a source, and write the sketch."""
    from tidegauge.comparison.stored import treatments
    from tidegauge.reference.reference import write_whole

    columns = options.columns(column, id_column, text_column, time_column, session_column, outcome, scale)
    check_new_artefact(out)
    refuse_kind(vectors, kind_of_file(vectors), "vectors", "A sketch is made of vectors")
    with progress() as bar:
        frozen = load_reference(reference)
        check_model(reference, frozen, model_id, ignore=ignore_model_id)
        limit = options.share_of_rejected(max_rejected)
        columns = scaled_as(frozen, columns, scale)
        samples = not no_samples
        made = sketch_vectors(bar, frozen, vectors, columns, limit, truncate, samples=samples, share=share)
        write_whole(out, made.to_bytes())
    rows = f"{made.rows:,} rows" if made.rows == made.seen else f"{made.rows:,} of {made.seen:,} rows"
    what = f"Sketch of {rows} under reference {frozen.hash[:12]}"
    emit(f"{'; '.join([what, *treatments(made.stored, frozen.width)])}.\n{out}\n")
