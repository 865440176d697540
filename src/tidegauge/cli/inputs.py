"""What the arguments of commands stand for: references and sketches by how they begin, everything else as vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from tidegauge.cli.output import counted, note
from tidegauge.errors import DataError, MismatchError

if TYPE_CHECKING:
    from rich.progress import Progress

    from tidegauge.records import Batch, Columns
    from tidegauge.reference import Reference
    from tidegauge.sketch.sketch import Sketch

BATCH_ROWS = 8192

Kind = Literal["reference", "sketch", ""]


def kind_of_file(path: str | Path) -> Kind:
    """Tell whether a path is a ``"reference"``, a ``"sketch"``, or ``""``, anything else."""
    from tidegauge.sketch.codec import DIGEST, kind_of

    try:
        if not Path(path).is_file():
            return ""
        with Path(path).open("rb") as stream:
            start = stream.read(8 + DIGEST)
    except (OSError, ValueError):  # what cannot be read is told apart by what reads it
        return ""
    # A file that is cut short within its head is still called what it began as, and refused as that.
    return cast("Kind", kind_of(start.ljust(8 + DIGEST, b"\0"))) if start else ""


def load_reference(path: str) -> Reference:
    """Read a reference file, or say what it is instead."""
    from tidegauge.reference import Reference

    return Reference.load(path)


def load_sketch(path: str) -> Sketch:
    """Read a sketch file, or say what it is instead."""
    from tidegauge.reference.reference import read_bounded
    from tidegauge.sketch.sketch import Sketch

    return Sketch.from_bytes(read_bounded(Path(path)), path)


def check_model(path: str, reference: Reference, model_id: str, *, ignore: bool) -> None:
    """Refuse vectors of another model than the reference's."""
    if not model_id:
        return
    if not reference.model_id:
        note(f"{path} was fitted without --model-id, so that {model_id!r} could not be checked")
    elif model_id != reference.model_id and not ignore:
        hint = "Fit a reference on the new model's vectors, or say --ignore-model-id"
        raise MismatchError(
            path, got=f"model {model_id!r}", want=f"model {reference.model_id!r}, which it was fitted on", hint=hint
        )


def read_vectors(bar: Progress, path: str, columns: Columns, max_rejected: float, truncate: int | None) -> Batch:
    """Read one side whole, and refuse it where too many rows had to be set aside."""
    from tidegauge.gate import check_rejected, concat
    from tidegauge.read.files import open_source

    source = open_source(path, columns)
    total = source.rows if not bar.disable else None
    batches = _truncated(source.batches(BATCH_ROWS), truncate)
    batch = concat(counted(bar, f"Reading {path}", batches, total), source=path)
    check_rejected(batch, max_rejected)
    return batch


def read_files(
    bar: Progress, paths: Sequence[str], columns: Columns, most: int, truncate: int | None
) -> tuple[Batch, bool]:
    """Read the first ``most`` rows of several sources as one, and tell whether there were more."""
    from tidegauge.gate import concat
    from tidegauge.read.files import open_source

    def every() -> Iterator[Batch]:
        for path in paths:
            source = open_source(path, columns)
            total = source.rows if not bar.disable else None
            batches = _truncated(source.batches(BATCH_ROWS), truncate)
            yield from counted(bar, f"Reading {path}", batches, total and min(total, most))

    name = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    cut = Cut(every(), most)
    return concat(cut, source=name), cut.short


class Cut:
    """The first ``most`` rows of some batches; ``short`` tells afterwards whether there were more."""

    def __init__(self, batches: Iterable[Batch], most: int) -> None:
        self.short = False
        self._batches, self._most = batches, most

    def __iter__(self) -> Iterator[Batch]:
        from tidegauge.gate import head

        left = self._most
        for batch in self._batches:
            if not left:
                self.short = True
                return
            self.short = batch.rows > left
            yield head(batch, left) if self.short else batch
            left -= min(left, batch.rows)
            if self.short:
                return


def _truncated(batches: Iterator[Batch], width: int | None) -> Iterator[Batch]:
    from tidegauge.gate import truncated

    return batches if width is None else (truncated(batch, width) for batch in batches)


def scaled_as(reference: Reference, columns: Columns, scale: float | None) -> Columns:
    """Read int8 vectors as the reference's own were read, unless it is said otherwise."""
    return replace(columns, scale=reference.stored.scale) if scale is None and reference.stored.scale else columns


def sketch_vectors(
    bar: Progress,
    reference: Reference,
    path: str,
    columns: Columns,
    max_rejected: float,
    truncate: int | None,
    *,
    samples: bool,
    share: float,
) -> Sketch:
    """Sketch a file, folder or pattern of any size, batch by batch."""
    from tidegauge.gate import check_rejected
    from tidegauge.read.files import open_source

    source = open_source(path, columns)
    batches = _truncated(source.batches(BATCH_ROWS), truncate)
    total = source.rows if not bar.disable else None
    sketch = reference.sketch(counted(bar, f"Reading {path}", batches, total), samples=samples, share=share)
    sketch.source = path
    check_rejected(replace(sketch.side("window"), source=path), max_rejected)
    return sketch


def refuse_kind(path: str, kind: Kind, want: str, hint: str) -> None:
    """Refuse a reference or sketch where something else belongs."""
    if kind:
        raise DataError(path, got=f"a {kind}", want=want, hint=hint)


def labels(before: str, after: str) -> tuple[str, str]:
    """Name two sides by their file names, with as many folders as tell them apart.

    Examples
    --------
    >>> labels("data/a.npy", "data/b.npy"), labels("x/a.npy", "y/a.npy"), labels("a.npy", "a.npy")
    (('a.npy', 'b.npy'), ('x/a.npy', 'y/a.npy'), ('a.npy', 'a.npy (again)'))
    """
    parts = [Path(path).parts or (path,) for path in (before, after)]
    for depth in range(1, 1 + max(map(len, parts))):
        first, second = (str(Path(*part[-depth:])) for part in parts)
        if first != second:
            return first, second
    return Path(before).name, f"{Path(after).name} (again)"
