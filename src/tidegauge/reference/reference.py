"""The reference: the frozen, hash-named artefact that says what is normal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.basis import DIAGNOSTICS, KNOTS, PROFILES, REACH, Basis, fit_basis, with_thresholds
from tidegauge.errors import ArtefactError, DataError, MismatchError, UsageError
from tidegauge.gate import INT8_SCALE, admit, concat, is_unit, pick, rounded_like, truncated
from tidegauge.numeric.permutation import FEWEST_BLOCKS, blocks, serial_dependence
from tidegauge.records import Batch, SampleSizes, Stored
from tidegauge.reference.calibration import FEWER, FULL, MOST_ROWS, Calibration, calibrate
from tidegauge.sketch.codec import MOST_BYTES, REFERENCE, UNREADABLE, pack, take, unpack
from tidegauge.sketch.pieces import with_coarse
from tidegauge.sketch.samples import Sample
from tidegauge.sketch.sketch import Located, Sketch

Int = npt.NDArray[np.int64]

FIT_SHARE = 0.4
MOST_FIT_ROWS = 20_000
FEWEST_ROWS = 100


@dataclass(frozen=True, eq=False)
class Reference:
    """What is normal: transforms, the sums of the reference's rows, and what unchanged data does at every
    window size.

    Never updated in place, never rolled on by itself. ``model_id`` names the embedding model; two ids are never
    compared.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    >>> reference = Reference.fit(rows)
    >>> sketch = reference.sketch(rows[:200]) + reference.sketch(rows[200:300])
    >>> sketch.rows, reference.width
    (300, 8)
    """

    basis: Basis
    base: Sketch
    calibration: Calibration
    rows: int
    seed: int
    model_id: str
    stored: Stored = field(default_factory=Stored)

    @classmethod
    def fit(
        cls,
        x: Any,
        *,
        seed: int = 0,
        model_id: str = "",
        samples: bool | SampleSizes = True,
        exchangeable: bool = False,
        truncate: int | None = None,
        profile: str = "standard",
    ) -> Reference:
        """Fit and freeze a reference.

        Parameters
        ----------
        x : Batch, iterable of Batch, or array-like of shape (n, d)
            At least 100 rows that are normal, in the order in which they came.
        seed : int
            Fixes the random directions and the split.
        model_id : str
            Name of the embedding model, if a swap is to be refused.
        samples : bool or SampleSizes
            How many rows are kept as they are; False stores no vector and no text, and pictures and examples are then
            missing.
        exchangeable : bool
            True declares that the rows' order means nothing.
        truncate : int, optional
            Keep only the first so many dimensions, and make every row unit length again: for Matryoshka models.
        profile : str
            How much its sketches keep: ``"standard"``, ``"small"`` or ``"wide"`` (see ``docs/library.md``).

        Notes
        -----
        Two fifths of the rows fit the transforms, the others make the sums and the calibration, so that
        nothing is judged on the rows that fitted it. Rows that depend on each other (sessions, or blocks where
        successive rows resemble each other) go to one part together.
        """
        batch = as_batch(x, truncate)
        if batch.rows < FEWEST_ROWS:
            raise DataError(batch.source, got=f"{batch.rows} rows", want=f"at least {FEWEST_ROWS} rows for a reference")
        batch = in_time_order(batch)
        rng = np.random.default_rng([seed, 2])
        units, unit = units_of(batch, exchangeable=exchangeable)
        fit, rest = _split(units, rng)
        if not len(rest) or _is_constant(batch.x[fit]):
            raise DataError(batch.source, got="rows that are all alike", want="rows that differ")
        basis = with_thresholds(fit_basis(batch.x[fit], seed, profile), batch.x[rest])
        draft = Sketch(basis, "", samples=samples).update(
            basis, replace(pick(batch, rest), rejected=batch.rejected, first_rejected=batch.first_rejected)
        )
        sums = with_coarse(basis, draft.sums)
        stored = replace(batch.stored, unit=is_unit(batch))
        some, some_units = _some(batch.x[rest], units[rest], rng)
        calibration = calibrate(basis, some, some_units, unit, sums, rng)
        return cls(basis, draft, calibration, batch.rows, seed, model_id, stored)

    @property
    def width(self) -> int:
        """Dimension of the vectors."""
        return self.basis.width

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what the reference says, in hexadecimal: its name."""
        digest = hashlib.sha256()
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(repr((self.basis.profile, self.seed, self.model_id)).encode())
        if self.stored != Stored():
            digest.update(repr(self.stored).encode())
        return digest.hexdigest()

    def sketch(
        self,
        x: Any,
        *,
        samples: bool | SampleSizes = True,
        share: float = 1.0,
        truncate: int | None = None,
        located: Located | None = None,
    ) -> Sketch:
        """Sketch a set of vectors of any size.

        Parameters
        ----------
        x : Batch, iterable of Batch, or array-like of shape (n, d)
            An iterable is read batch by batch and never held whole.
        samples : bool or SampleSizes
            How many rows are kept as they are, and how much recent ones are preferred; False stores no vector and no
            text.
        share : float
            Work budget in (0, 1]: the share of the rows that are summed, chosen by the hash of the row's id (of its
            content and position where it has none). All rows are counted. With n rows against a reference of m,
            every null sd grows by the root of (1 / (share n) + 1 / m) / (1 / n + 1 / m), and nothing is biased.
        truncate : int, optional
            Keep only the first so many dimensions, which must be as many as the reference has.
        located : callable, optional
            Hears, batch by batch, of the rows that are summed, and of the cells where each is counted, int64
            (n, levels): what an outcome of theirs that comes later is added to.
        """
        sketch = self.empty(samples=samples, share=share)
        for batch in as_batches(x, self.width, truncate, self.stored.scale or INT8_SCALE):
            sketch.update(self.basis, self._fitting(batch), located)
        return sketch

    def _fitting(self, batch: Batch) -> Batch:
        """A batch whose vectors were stored and treated as the reference's own, or an error that says what differs."""
        if not batch.rows:
            return batch
        if batch.width != self.width:
            raise MismatchError(
                batch.source,
                got=f"vectors of width {batch.width}",
                want=f"width {self.width}, as the reference",
                hint=truncate_hint(batch.width, self.width),
            )
        for name, ours, theirs in (
            ("truncated from width", self.stored.width, batch.stored.width),
            ("of int8 times", self.stored.scale, batch.stored.scale),
        ):
            # Of the reference's own width, a window was made unit length only, whatever it was cut from.
            if ours and theirs not in (0, ours, self.width):
                raise MismatchError(
                    batch.source, got=f"vectors {name} {theirs:.6g}", want=f"{ours:.6g}, as the reference"
                )
        # A window that comes truncated need not be of unit length yet, but the reference's rows are.
        if self.stored.width:
            return batch if batch.stored.width else truncated(batch, self.width)
        if self.stored.unit and not self.stored.scale and batch.stored.scale:
            # Rounding to int8 lengthens every unit vector a little, which the spread of many rows would show.
            return replace(truncated(batch, self.width), stored=batch.stored)
        return rounded_like(batch, self.stored.scale)

    def empty(self, *, samples: bool | SampleSizes = True, share: float = 1.0) -> Sketch:
        """A sketch of nothing: the identity of ``+``."""
        if not 0 < share <= 1:
            raise UsageError("share", got=f"{share:g}", want="a share of the rows above 0, at most 1")
        return Sketch(self.basis, self.hash, samples=samples, share=share)

    def forgetting(self, ids: Collection[str]) -> Reference:
        """The same reference, of the same hash, less the rows of these ids in its samples; itself where it has none.

        Examples
        --------
        >>> from tidegauge.gate import admit
        >>> rows = admit(np.random.default_rng(0).standard_normal((300, 4)), ids=[f"q{i}" for i in range(300)])
        >>> reference = Reference.fit(rows)
        >>> one = str(reference.base.uniform.ids[0])
        >>> less = reference.forgetting({one})
        >>> one in less.base.uniform.ids, less.hash == reference.hash, less.forgetting({one}) is less
        (False, True, True)
        """
        base = copy(self.base)
        return replace(self, base=base) if base.forget(ids) else self

    def without_samples(self) -> Reference:
        """The same reference, of the same hash, with no vector and no text of any row.

        Examples
        --------
        >>> reference = Reference.fit(np.random.default_rng(0).standard_normal((300, 4)))
        >>> less = reference.without_samples()
        >>> len(less.base.uniform.x), less.hash == reference.hash
        (0, True)
        """
        base = copy(self.base)
        base.uniform, base.novel = (Sample.empty(0, self.width) for _ in range(2))
        return replace(self, base=base)

    def resolution(self) -> dict[str, float]:
        """How finely this reference can see: what its sketches count, and the errors that follow from it.

        Returns
        -------
        dict of str to float
            ``frequencies`` random frequencies and ``slices`` random directions; ``components`` principal
            components; ``bins`` of each histogram and ``bin_width_sd``, the width of one in standard
            deviations; ``fine_cells`` and ``cells`` on all levels; ``rows`` in the sums and
            ``calibration_rows``. Then published errors: ``mmd_error``, four standard errors of the squared MMD
            between sets as different as can be, 4 / sqrt(frequencies); ``wasserstein_error_sd``, one bin, the
            farthest that counting moves a row; ``duplicates_error``, the relative standard error of the count
            of distinct rows, 1 / sqrt(hashes kept).

        Examples
        --------
        >>> Reference.fit(np.random.default_rng(0).standard_normal((300, 4))).resolution()["bin_width_sd"]
        0.125
        """
        basis, frequencies = self.basis, len(self.basis.feature_mean) // 2
        width = 2 * REACH / basis.bins
        return {
            "frequencies": float(frequencies),
            "slices": float(basis.directions.shape[1]),
            "components": float(basis.axes.shape[1]),
            "bins": float(basis.bins),
            "bin_width_sd": width,
            "fine_cells": float(len(basis.fine)),
            "cells": float(len(basis.centres)),
            "rows": float(self.base.rows),
            "calibration_rows": float(self.calibration.rows),
            "mmd_error": 4 / frequencies**0.5,
            "wasserstein_error_sd": width,
            "duplicates_error": self.base.distinct.size**-0.5,
        }

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        calibration = {f"calibration.{n}": getattr(self.calibration, n) for n in ("sizes", "full", "fewer")}
        return {
            **{f"basis.{n}": a for n, a in self.basis.arrays().items()},
            **calibration,
            **{f"sums.{n}": a for n, a in self.base.sums.items()},
        }

    def to_bytes(self) -> bytes:
        """The whole artefact."""
        arrays = {n: a for n, a in self._arrays().items() if not n.startswith("sums.")}
        arrays["base"] = np.frombuffer(self.base.to_bytes(), np.uint8)
        c = self.calibration
        header: dict[str, Any] = {
            "profile": self.basis.profile,
            "rows": self.rows,
            "seed": self.seed,
            "model_id": self.model_id,
            "calibration": {"rows": c.rows, "unit": c.unit, "units": c.units},
        }
        if self.stored != Stored():
            header["stored"] = asdict(self.stored)
        return pack(REFERENCE, arrays, header)

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "reference") -> Reference:
        """Read back; damaged, truncated, foreign or newer bytes raise ``ArtefactError``."""
        arrays, header = unpack(REFERENCE, data, what)
        try:
            basis = _basis_from(arrays, str(header["profile"]))
            calibration = _calibration_from(arrays, header["calibration"])
            base = Sketch.from_bytes(take(arrays, "base", "uint8", (None,)).tobytes(), what)
            if base.shapes() != Sketch(basis, "").shapes() or not base.rows:
                raise ValueError("base in its shape")
            stored = _stored_from(header.get("stored"), basis.width)
            numbers = (int(header["rows"]), int(header["seed"]))
            return cls(basis, base, calibration, *numbers, str(header["model_id"]), stored)
        except UNREADABLE as error:
            raise ArtefactError(what, got=f"a payload without {error}", want="all parts of a reference") from error

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to ``path``, whole or not at all."""
        return write_whole(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Reference:
        """Read a file that ``save`` wrote."""
        return cls.from_bytes(read_bounded(Path(path)), os.fspath(path))


def _basis_from(arrays: dict[str, npt.NDArray[Any]], profile: str) -> Basis:
    """The basis of a payload; ValueError or KeyError where its parts do not fit each other."""
    d, r, c = (arrays[f"basis.{name}"].shape[axis] for name, axis in (("centre", 0), ("weights", 1), ("centres", 0)))
    k, s = (arrays[f"basis.{name}"].shape[1] for name in ("axes", "directions"))
    shapes: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "centre": ("float32", (d,)),
        "axes": ("float32", (d, k)),
        "deviations": ("float64", (k,)),
        "variance": ("float64", (1,)),
        "weights": ("float32", (d, r)),
        "feature_mean": ("float32", (2 * r,)),
        "feature_covariance": ("float32", (2 * r, 2 * r)),
        "directions": ("float32", (d, s)),
        "direction_deviations": ("float64", (s,)),
        "centres": ("float32", (c, d)),
        "ancestors": ("int64", (None, None)),
        "near_knots": ("float64", (KNOTS,)),
        "diagnostic_edges": ("float64", (len(DIAGNOSTICS), PROFILES[profile].bins + 1)),
        "anchor": ("float64", (1,)),
    }
    values: dict[str, Any] = {name: take(arrays, f"basis.{name}", *want) for name, want in shapes.items()}
    ancestors = values["ancestors"]
    if min(d, r, c, k, s) < 1 or ancestors.shape[1] > c or ancestors.min() < 0 or ancestors.max() >= c:
        raise ValueError("basis.ancestors in range")
    values |= {name: float(values[name].item()) for name in ("variance", "anchor")}
    return Basis(profile=profile, **values)


def _calibration_from(arrays: dict[str, npt.NDArray[Any]], header: dict[str, Any]) -> Calibration:
    """The calibration of a payload; a null may hold NaN, where a score says nothing at a size."""
    sizes = take(arrays, "calibration.sizes", "int64", (None,))
    tables = [arrays[f"calibration.{name}"] for name in ("full", "fewer")]
    fits = all(
        t.dtype == np.float32 and t.ndim == 3 and t.shape[::2] == (len(sizes), len(names)) and t.shape[1] > 0
        for t, names in zip(tables, (FULL, FEWER), strict=True)
    )
    rows, units = int(header["rows"]), int(header["units"])
    if not fits or min(rows, units, int(sizes[0])) < 1 or (np.diff(sizes) <= 0).any():
        raise ValueError("calibration in its shape")
    return Calibration(sizes, tables[0], tables[1], rows, str(header["unit"]), units)


def _stored_from(header: dict[str, Any] | None, width: int) -> Stored:
    """How the vectors of a payload were stored; ValueError where that cannot be."""
    if header is None:
        return Stored()
    stored = Stored(float(header["scale"]), int(header["width"]), bool(header["unit"]))
    if not 0 <= stored.scale < float("inf") or (stored.width and stored.width < width):
        raise ValueError("stored in its range")
    return stored


def as_batches(
    x: Any, width: int | None = None, truncate: int | None = None, scale: float = INT8_SCALE
) -> Iterable[Batch]:
    """A batch, batches, or anything array-like, as batches, truncated where a width for that is given."""
    if truncate is not None:
        return (truncated(batch, truncate) for batch in as_batches(x, scale=scale))
    if isinstance(x, Batch):
        return (x,)
    if hasattr(x, "__next__"):
        return x
    if isinstance(x, (list, tuple)) and x and isinstance(x[0], Batch):
        return x
    return (admit(x, width=width, scale=scale),)


def as_batch(x: Any, truncate: int | None = None) -> Batch:
    """The same, joined."""
    return x if isinstance(x, Batch) and truncate is None else concat(as_batches(x, truncate=truncate))


def truncate_hint(width: int, wanted: int) -> str:
    """What to do about vectors that are wider than wanted.

    Examples
    --------
    >>> truncate_hint(768, 256)
    'If they are of one Matryoshka model, say --truncate 256'
    """
    return f"If they are of one Matryoshka model, say --truncate {wanted}" if width > wanted else ""


def in_time_order(batch: Batch) -> Batch:
    """Rows by event time where there is one, else as they came."""
    return batch if batch.times is None else pick(batch, np.argsort(batch.times, kind="stable"))


def units_of(batch: Batch, *, exchangeable: bool) -> tuple[Int, str]:
    """What may be relabelled: sessions where there are any, blocks where successive rows depend on each other,
    else rows.

    Returns
    -------
    units : int64 array, shape (n,), numbered from 0
    name : str
        ``"row"``, ``"session"`` or ``"block of k rows"``.
    """
    if batch.sessions is not None:
        return np.unique(np.asarray(batch.sessions, np.str_), return_inverse=True)[1].astype(np.int64), "session"
    if exchangeable:
        return np.arange(batch.rows), "row"
    length = block_length(batch.x)
    return (np.arange(batch.rows), "row") if length == 1 else (blocks(batch.rows, length), f"block of {length} rows")


def block_length(x: npt.NDArray[np.float32], most: int = 20_000) -> int:
    """Rows in a block that spans the dependence of successive rows; 1 where there is none.

    The check looks at 32 random directions of the standardised rows, which every kind of dependence moves.
    """
    some = x[:most]
    scaled = (some - some.mean(0)) / np.maximum(some.std(0), 1e-12 * max(float(np.abs(some).max()), 1e-30) + 1e-30)
    if x.shape[1] > 32:
        scaled = scaled @ np.random.default_rng(0).standard_normal((x.shape[1], 32)).astype(np.float32)
    return serial_dependence(scaled.astype(np.float32)).block


def _split(units: Int, rng: np.random.Generator) -> tuple[Int, Int]:
    """Rows that fit the transforms, and the others: whole units, at random, so that both parts see every season."""
    count = int(units.max()) + 1
    share = min(FIT_SHARE, MOST_FIT_ROWS / len(units))
    if count < FEWEST_BLOCKS:
        raise DataError(
            "reference",
            got=f"{count} independent groups of rows",
            want=f"at least {FEWEST_BLOCKS}",
            hint="Rows depend on each other over long stretches; give more rows or sessions, or say exchangeable",
        )
    fit = np.zeros(count, np.bool_)
    fit[rng.permutation(count)[: max(2, round(count * share))]] = True
    chosen = fit[units]
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def _some(x: npt.NDArray[np.float32], units: Int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], Int]:
    """At most MOST_ROWS rows for the calibration, whole units, renumbered without gaps."""
    keep = np.arange(len(x))
    if len(x) > MOST_ROWS:
        order = rng.permutation(int(units.max()) + 1)
        rank = np.argsort(order)[units]
        keep = np.sort(np.argsort(rank, kind="stable")[:MOST_ROWS])
    return x[keep], np.unique(units[keep], return_inverse=True)[1].astype(np.int64)


def _is_constant(x: npt.NDArray[np.float32]) -> bool:
    return bool((x == x[0]).all())


def write_whole(path: Path, data: bytes) -> Path:
    """Write under another name, then rename: a reader never sees half a file."""
    if path.parent != Path() and not path.parent.is_dir():
        raise DataError(str(path), got="a folder that does not exist", want="an existing folder")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(str(path), got=str(error.strerror or error), want="a file that can be written") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_bounded(path: Path) -> bytes:
    """Read an artefact, its size checked first."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ArtefactError(str(path), got=f"{size} bytes", want=f"at most {MOST_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise DataError(str(path), got=str(error.strerror or error), want="a file that can be read") from error
