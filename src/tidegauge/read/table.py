"""What all formats share: which columns hold what, and columns to a gated batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

import numpy as np

from tidegauge.errors import DataError
from tidegauge.gate import Ratio, admit, as_numbers
from tidegauge.read.failure import failing, guarded
from tidegauge.records import Batch, Columns

Kind = Literal["list", "number", "empty", "bits", "other"]
"""What a column holds: lists of numbers, numbers, nothing at all so far, bytes or lists of bits, or anything else."""

Frame = Mapping[str, Any]
"""Some consecutive rows: column name to column of values, all of one length."""

_BINARY: Final = "Packed binary vectors (1 bit a dimension) cannot be measured: keep the float or int8 ones"

_NUMBERED = re.compile(r"(.*?)[0-9]+\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are read: one `packed` column of lists, or one numeric column per dimension, in order."""

    vector: tuple[str, ...]
    packed: bool
    columns: Columns

    @property
    def names(self) -> list[str]:
        """Every column that has to be read, each once."""
        return list(dict.fromkeys((*self.vector, *side_names(self.columns))))


class TableReader:
    """A reader of columns, whatever the format: `frames(size, skip)` leaves out the first `skip` rows, and yields at
    most `size` of the others at a time, in order.
    """

    def __init__(
        self,
        source: str,
        layout: Layout,
        frames: Callable[[int, int], Iterator[Frame]],
        *,
        rows: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.source = source
        self._layout, self._frames, self._rows = layout, frames, rows

    @property
    def rows(self) -> int | None:
        """Number of rows, admitted or not, where the format tells."""
        return self._rows()

    def batches(self, size: int, skip: int = 0, width: int | None = None) -> Iterator[Batch]:
        """Yield gated batches of at most `size` rows after the first `skip`; all are of `width`, or else as wide as the
        first admitted rows.
        """
        given = skip
        for frame in self._frames(size, skip):
            batch = admit_frame(frame, self._layout, source=self.source, width=width, first_row=given)
            width = batch.width if batch.rows else width
            given += batch.rows + sum(batch.rejected.values())
            yield batch


def no_rows(source: str) -> TableReader:
    """A reader of a file that has no rows, and therefore no columns to tell.

    Examples
    --------
    >>> list(no_rows("a.csv").batches(10))
    []
    """
    return TableReader(source, Layout((), True, Columns()), lambda size, skip: iter(()), rows=lambda: 0)


def side_names(columns: Columns) -> list[str]:
    """Names of the side columns that are asked for.

    Examples
    --------
    >>> side_names(Columns(id="key", outcomes=("clicked",)))
    ['key', 'clicked']
    """
    single = (columns.id, columns.text, columns.time, columns.session, columns.segment)
    return [name for name in (*single, *columns.outcomes) if name is not None]


def admit_frame(frame: Frame, layout: Layout, *, source: str, width: int | None = None, first_row: int = 0) -> Batch:
    """Gate the rows of a frame.

    Examples
    --------
    >>> layout = Layout(("x0", "x1"), packed=False, columns=Columns(id="key"))
    >>> admit_frame({"x0": [1.0], "x1": [2.0], "key": [7]}, layout, source="a.csv").ids
    array(['7'], dtype=object)
    """
    columns = layout.columns

    def side(name: str | None) -> Any:
        return None if name is None else frame[name]

    return admit(
        frame[layout.vector[0]] if layout.packed else _stacked(frame, layout, source, first_row),
        width=width,
        ids=side(columns.id),
        texts=side(columns.text),
        times=side(columns.time),
        sessions=side(columns.session),
        segments=side(columns.segment),
        outcomes=outcomes_of(frame, columns),
        units={each.name: each.unit for each in columns.measures},
        scale=columns.scale,
        source=source,
        first_row=first_row,
        strict_times=columns.strict_times,
    )


def outcomes_of(frame: Frame, columns: Columns) -> dict[str, Any]:
    """The outcomes of a frame by name, each a column, or a `Ratio` of two.

    Examples
    --------
    >>> from tidegauge.records import OutcomeColumns
    >>> measures = (OutcomeColumns("clicked", "clicks", denominator="shown"),)
    >>> columns = Columns(outcomes=("clicks", "shown"), measures=measures)
    >>> outcomes_of({"clicks": [1], "shown": [2]}, columns)
    {'clicked': Ratio(numerator=[1], denominator=[2])}
    """
    if not columns.measures:
        return {name: frame[name] for name in columns.outcomes}
    found: dict[str, Any] = {}
    for each in columns.measures:
        above, below = frame[each.column], each.denominator
        found[each.name] = above if below is None else Ratio(above, frame[below])
    return found


def resolve(kinds: Mapping[str, Kind], columns: Columns, source: str) -> Layout:
    """Decide which columns hold the vectors, and check that the side columns are there.

    Without ``columns.vector`` it is the only column of lists of numbers, or else all numeric columns if their names are
    one prefix and a number (``x0, x1, ...``), or if the table has no other columns.

    Raises
    ------
    DataError
        Where a named column is not there, or where more than one reading is possible: it then says which.

    Examples
    --------
    >>> resolve({"key": "other", "x10": "number", "x9": "number"}, Columns(), "a.csv").vector
    ('x9', 'x10')
    """
    for name in side_names(columns):
        if name not in kinds:
            raise _no_column(name, kinds, source)
    if columns.vector is not None:
        return _named_vector(columns.vector, kinds, columns, source)
    free: dict[str, Kind] = {name: kind for name, kind in kinds.items() if name not in side_names(columns)}
    lists = [name for name, kind in free.items() if kind == "list"]
    if len(lists) > 1:
        hint = "Say which with --column NAME"
        raise DataError(source, got=f"several columns of vectors: {_listed(lists)}", want="one", hint=hint)
    return Layout(tuple(lists) or _dimensions(free, source), bool(lists), columns)


def is_dimension(name: str, kinds: Mapping[str, Kind]) -> bool:
    """Whether a column is named like one dimension among numeric ones: the same prefix, another number.

    Examples
    --------
    >>> is_dimension("x1", {"x0": "number", "x1": "other"})
    True
    """
    prefix = _prefix(name)
    return prefix is not None and any(kind == "number" and _prefix(other) == prefix for other, kind in kinds.items())


def arrow_kinds(schema: Any, source: str) -> dict[str, Kind]:
    """The kind of every column of a pyarrow schema.

    Raises `DataError` where two columns have the same name.
    """
    with failing(source, "table"):
        names: list[str] = list(schema.names)
    if len(set(names)) < len(names):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise DataError(source, got=f"columns of the same name: {_listed(twice)}", want="every name once")
    return {field.name: _arrow_kind(field.type) for field in schema}


def arrow_frames(
    stream: Iterable[Any], layout: Layout, size: int, *, source: str, kind: str, skip: int = 0
) -> Iterator[Frame]:
    """Check Arrow record batches of a `kind` file, leave out the first `skip` rows, and cut and join the others into
    frames of `size` rows, the last fewer.
    """
    import pyarrow as pa

    held: list[Any] = []
    missing = size
    for record_batch in guarded(map(_validated, after(stream, skip)), source, kind):
        start = 0
        while start < record_batch.num_rows:
            piece = record_batch.slice(start, missing)
            held.append(piece)
            start, missing = start + piece.num_rows, missing - piece.num_rows
            if not missing:
                yield _frame(pa.Table.from_batches(held), layout.names)
                held, missing = [], size
    if held:
        yield _frame(pa.Table.from_batches(held), layout.names)


def after(stream: Iterable[Any], skip: int) -> Iterator[Any]:
    """Record batches without their first `skip` rows, which are not looked at.

    Examples
    --------
    >>> import pyarrow as pa
    >>> parts = [pa.record_batch({"x": [1, 2]}), pa.record_batch({"x": [3, 4]})]
    >>> [part.column("x").to_pylist() for part in after(parts, 3)]
    [[4]]
    """
    for record_batch in stream:
        if skip >= record_batch.num_rows:
            skip -= record_batch.num_rows
        else:
            yield record_batch.slice(skip)
            skip = 0


def natural(name: str) -> tuple[str | int, ...]:
    """Sort key under which ``x9`` comes before ``x10``.

    Examples
    --------
    >>> sorted(["part-10", "part-9"], key=natural)
    ['part-9', 'part-10']
    """
    return tuple(int(part) if i % 2 else part for i, part in enumerate(re.split(r"([0-9]+)", name)))


def _validated(record_batch: Any) -> Any:
    """Offsets and text come from outside: following bad ones would read memory that is not ours."""
    record_batch.validate(full=True)
    return record_batch


def _frame(table: Any, names: Sequence[str]) -> Frame:
    return {name: table.column(name) for name in names}


def _stacked(frame: Frame, layout: Layout, source: str, first_row: int) -> Any:
    numbers = [
        as_numbers(frame[name], source=f"{source}, column {name}", first_row=first_row) for name in layout.vector
    ]
    return np.stack(numbers, axis=1)


def _named_vector(wanted: str, kinds: Mapping[str, Kind], columns: Columns, source: str) -> Layout:
    if wanted in kinds:
        if kinds[wanted] in ("bits", "other"):
            hint = _BINARY if kinds[wanted] == "bits" else ""
            raise DataError(f"{source}, column {wanted}", got="neither lists nor numbers", want="vectors", hint=hint)
        return Layout((wanted,), kinds[wanted] == "list", columns)
    sides = side_names(columns)
    matched: dict[str, Kind] = {
        name: kind for name, kind in kinds.items() if fnmatchcase(name, wanted) and name not in sides
    }
    names = [name for name, kind in matched.items() if kind in ("number", "empty")]
    if not names:
        raise _no_column(wanted, kinds, source)
    return Layout(_ordered(names, matched, source), False, columns)


def _dimensions(kinds: Mapping[str, Kind], source: str) -> tuple[str, ...]:
    """The columns that hold one dimension each, if there is only one way to see it."""
    numbers = [name for name, kind in kinds.items() if kind in ("number", "empty")]
    groups: dict[str, list[str]] = {}
    for name in numbers:
        prefix = _prefix(name)
        groups.setdefault(name if prefix is None else prefix, []).append(name)
    # An empty column can be a dimension that is missing throughout, but only beside others of its prefix.
    groups = {prefix: some for prefix, some in groups.items() if any(kinds[name] == "number" for name in some)}
    if len(groups) == 1:
        only = next(iter(groups.values()))
        if len(only) > 1 or len(kinds) == 1 or _prefix(only[0]) is not None:
            return _ordered(only, kinds, source)
    elif groups and len(numbers) == len(kinds) and all(len(names) == 1 for names in groups.values()):
        return tuple(numbers)
    raise _no_vectors(kinds, groups, source)


def _prefix(name: str) -> str | None:
    match = _NUMBERED.match(name)
    return match[1] if match else None


def _ordered(names: Sequence[str], kinds: Mapping[str, Kind], source: str) -> tuple[str, ...]:
    """The dimensions in natural order; none may be left out because it does not hold numbers."""
    for name, kind in kinds.items():
        if kind not in ("number", "empty") and is_dimension(name, kinds):
            want = f"numbers, as in {_listed(names)}"
            raise DataError(f"{source}, column {name}", got="no numbers", want=want)
    return tuple(sorted(names, key=natural))


def _no_vectors(kinds: Mapping[str, Kind], groups: Mapping[str, Sequence[str]], source: str) -> DataError:
    want = "one column of lists of numbers, or numeric columns named x0, x1, ..."
    if not groups:
        hint = _BINARY if "bits" in kinds.values() else ""
        return DataError(source, got=f"no numeric columns among {_listed(list(kinds))}", want=want, hint=hint)
    prefix = max(groups, key=lambda name: len(groups[name]))
    numbers = [name for names in groups.values() for name in names]
    got = f"numeric columns that need not be dimensions: {_listed(numbers)}"
    hint = f"Say which with --column, such as --column '{prefix}*', and name id, time and outcome columns"
    return DataError(source, got=got, want=want, hint=hint)


def _no_column(name: str, kinds: Mapping[str, Kind], source: str) -> DataError:
    return DataError(source, got=f"no column {name}", want=f"one of {_listed(list(kinds))}")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, ... ({len(names)} in all)"


def _arrow_kind(kind: Any) -> Kind:
    from pyarrow import types

    if hasattr(kind, "storage_type"):
        kind = kind.storage_type
    if hasattr(kind, "value_field"):
        return "list" if _is_number(kind.value_type) else "bits" if types.is_boolean(kind.value_type) else "other"
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return "bits"
    return "number" if _is_number(kind) else "empty" if types.is_null(kind) else "other"


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
