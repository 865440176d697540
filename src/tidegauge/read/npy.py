"""NumPy files: .npy is memory-mapped, .npz is streamed member by member; pickled objects are never loaded."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from tidegauge.errors import DataError
from tidegauge.gate import admit
from tidegauge.read.failure import failing, guarded
from tidegauge.read.mapped import Mapped
from tidegauge.read.table import Frame, Kind, TableReader, resolve, side_names
from tidegauge.records import Batch, Columns

MAX_READ_BYTES: Final = 4 << 30
"""Most bytes of an .npz member that are held in memory at once."""


@dataclass(frozen=True, slots=True)
class _Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def kind(self) -> Kind:
        if self.dtype.kind not in "fiu" or len(self.shape) not in (1, 2):
            return "other"
        return "number" if len(self.shape) == 1 else "list"


class NpyReader:
    """One .npy file of shape (n, d), memory-mapped."""

    def __init__(self, path: Path, header: _Header, scale: float) -> None:
        self.source = str(path)
        self._path, self._header, self._scale = path, header, scale

    @property
    def rows(self) -> int:
        """Number of rows, admitted or not."""
        return self._header.shape[0]

    def batches(self, size: int, skip: int = 0, width: int | None = None) -> Iterator[Batch]:
        """Yield gated batches of at most `size` rows after the first `skip`, of `width` or else of the array's own."""
        if not self.rows:
            return
        header = self._header
        with failing(self.source, "NumPy"):
            mapped = Mapped(self._path)
            order = "F" if header.fortran else "C"
            x: Any = np.ndarray(header.shape, header.dtype, mapped.buffer, header.offset, order=order)
        for start in range(skip, self.rows, size):
            part = x[start : start + size]
            yield admit(part, width=width or header.shape[1], scale=self._scale, source=self.source, first_row=start)
            mapped.release()


def open_npy(path: Path, columns: Columns) -> NpyReader:
    """Open a .npy file of a two-dimensional numeric array.

    Raises `DataError` where side columns are asked for, and where the array is of objects or has another shape.
    """
    source = str(path)
    if side_names(columns):
        hint = "Put the vectors and the columns beside them into one .npz or Parquet file"
        raise DataError(source, got=f"columns {', '.join(side_names(columns))}", want="vectors only", hint=hint)
    with failing(source, "NumPy"), path.open("rb") as stream:
        header = _read_header(stream, path.stat().st_size, source)
    _refuse_objects({"": header}, source)
    if header.kind != "list" or not header.shape[1]:
        hint = "Reshape to (n, 1) or (1, n)" if len(header.shape) == 1 else ""
        got = f"dtype {header.dtype}, shape {header.shape}"
        raise DataError(source, got=got, want="real numbers of shape (n, d)", hint=hint)
    return NpyReader(path, header, columns.scale)


def open_npz(path: Path, columns: Columns) -> TableReader:
    """Open a .npz archive: a two-dimensional array of vectors, and one-dimensional arrays as side columns.

    Raises `DataError` where a member that is needed is of objects, is shorter than its header says, or where the
    members differ in length.
    """
    source = str(path)
    with failing(source, "NumPy archive"), zipfile.ZipFile(path) as archive:
        headers = {name: _member_header(archive, name, source) for name in _members(archive)}
    kinds: dict[str, Kind] = {name: header.kind for name, header in headers.items()}
    if "list" not in kinds.values():
        _refuse_objects(headers, source)
    layout = resolve(kinds, columns, source)
    needed = {name: headers[name] for name in layout.names}
    _refuse_objects(needed, source)
    rows = _common_length(needed, source)
    return TableReader(source, layout, lambda size, skip: _frames(path, needed, rows, size, skip), rows=lambda: rows)


def _members(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _member_header(archive: zipfile.ZipFile, name: str, source: str) -> _Header:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        return _read_header(stream, info.file_size, f"{source}, array {name}")


def _read_header(stream: IO[bytes], size: int, what: str) -> _Header:
    """Read a .npy header, and check it against the bytes that are there before anything is allocated."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise DataError(what, got=f"version {version} of the .npy format", want="version 1 or 2")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    header = _Header(shape, fortran, dtype, stream.tell())
    if dtype.hasobject:
        return header
    declared, there = math.prod(shape) * dtype.itemsize, size - header.offset
    if min(shape, default=0) < 0 or declared > there:
        hint = "The file may be cut short: write it again, or copy it again"
        raise DataError(what, got=f"{there} bytes", want=f"{declared} bytes for shape {shape}", hint=hint)
    return header


def _refuse_objects(headers: Mapping[str, _Header], source: str) -> None:
    for name, header in headers.items():
        if header.dtype.hasobject:
            what = f"{source}, array {name}" if name else source
            want = "numbers or text: pickled object arrays are never loaded"
            raise DataError(what, got="pickled objects", want=want, hint="Save as a plain array, or use Parquet")


def _common_length(headers: Mapping[str, _Header], source: str) -> int:
    lengths = {name: header.shape[0] if header.shape else 0 for name, header in headers.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(source, got=f"arrays of different lengths: {lengths}", want="one row in each")
    return next(iter(lengths.values()))


def _frames(path: Path, headers: Mapping[str, _Header], rows: int, size: int, skip: int) -> Iterator[Frame]:
    with failing(str(path), "NumPy archive"), ExitStack() as stack:
        archive = stack.enter_context(zipfile.ZipFile(path))
        parts: dict[str, Iterator[Any]] = {}
        for name, header in headers.items():
            stream = stack.enter_context(archive.open(f"{name}.npy"))
            stream.seek(header.offset)
            parts[name] = guarded(
                _slices(stream, header, size, skip, f"{path}, array {name}"), str(path), "NumPy archive"
            )
        close = stack.pop_all()
    with close:
        for _ in range(skip, rows, size):
            yield {name: next(part) for name, part in parts.items()}


def _slices(stream: IO[bytes], header: _Header, size: int, skip: int, what: str) -> Iterator[Any]:
    """Decompress a member `size` rows at a time after `skip`; in Fortran order no row is whole before the end."""
    rows, *rest = header.shape
    if header.fortran and rest:
        whole = _take(stream, header, header.shape[::-1], what).T
        yield from (whole[start : start + size] for start in range(skip, rows, size))
        return
    if skip:
        stream.seek(skip * math.prod(rest) * header.dtype.itemsize, os.SEEK_CUR)
    for start in range(skip, rows, size):
        yield _take(stream, header, (min(size, rows - start), *rest), what)


def _take(stream: IO[bytes], header: _Header, shape: tuple[int, ...], what: str) -> Any:
    wanted = math.prod(shape) * header.dtype.itemsize
    if wanted > MAX_READ_BYTES:
        hint = "Save it as .npy, which is read in place"
        raise DataError(what, got=f"{wanted} bytes at once", want=f"at most {MAX_READ_BYTES}", hint=hint)
    raw = stream.read(wanted)
    if len(raw) < wanted:
        raise DataError(what, got=f"{len(raw)} bytes", want=f"{wanted}", hint="The archive may be cut short")
    return np.frombuffer(raw, header.dtype).reshape(shape)
