"""Bytes round-trip bit for bit; everything else is refused, with got and want, and nothing is ever run."""

from __future__ import annotations

import hashlib
import json
import pickle  # only to make bytes that must be refused
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from tests.sketch.cases import batch, normal, small
from tidegauge import ArtefactError, Reference, Sketch, TidegaugeError, compare, score
from tidegauge.sketch.codec import REFERENCE, SKETCH, Arrays, pack, unpack

Read = Callable[[bytes], object]
Change = Callable[[Arrays, dict[str, Any]], object]
READERS: dict[str, Read] = {"sketch": Sketch.from_bytes, "reference": Reference.from_bytes}
MAGIC = {"sketch": SKETCH, "reference": REFERENCE}


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    return {"sketch": small().sketch(batch(normal(200, 4, 3))).to_bytes(), "reference": small().to_bytes()}


@pytest.fixture(params=["sketch", "reference"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refused(kind: str, data: bytes) -> ArtefactError:
    with pytest.raises(ArtefactError) as caught:
        READERS[kind](data)
    assert caught.value.got
    assert caught.value.want
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return caught.value


def test_a_sketch_comes_back_bit_for_bit(whole: dict[str, bytes]) -> None:
    one = Sketch.from_bytes(whole["sketch"])
    two = small().sketch(batch(normal(200, 4, 3)))
    assert one.to_bytes() == two.to_bytes() == whole["sketch"]
    assert (one.rows, one.times, one.rejected, one.source) == (two.rows, two.times, two.rejected, two.source)
    for name, values in two.sums.items():
        assert one.sums[name].tobytes() == values.tobytes()
    assert (one + two).rows == 400
    assert one.update(small().basis, batch(normal(10, 4, 1))).rows == 210


def test_a_reference_comes_back_bit_for_bit(whole: dict[str, bytes]) -> None:
    one = Reference.from_bytes(whole["reference"])
    assert one.to_bytes() == whole["reference"]
    assert one.hash == small().hash
    assert (one.rows, one.seed, one.model_id) == (300, 0, "")
    window = normal(200, 4, 3)
    assert score(one, one.sketch(window)).panel == score(small(), small().sketch(window)).panel


def test_an_empty_sketch_comes_back() -> None:
    for samples in (True, False):
        empty = Sketch.from_bytes(small().empty(samples=samples).to_bytes())
        assert (empty.rows, empty.uniform.size > 0) == (0, samples)
        assert (empty + small().sketch(normal(50, 4, 3))).rows == 50


def test_any_truncation_is_refused(kind: str, whole: dict[str, bytes]) -> None:
    data = whole[kind]
    for length in (*(len(data) * i // 20 for i in range(20)), 7, 8, 39, 40, 41, 48, len(data) - 1):
        refused(kind, data[:length])
    refused(kind, data + b"\0")


def test_any_flipped_bit_is_refused(kind: str, whole: dict[str, bytes]) -> None:
    rng = np.random.default_rng(4)
    places = [*range(48), *rng.integers(0, len(whole[kind]), 200).tolist()]
    for place in places:
        data = bytearray(whole[kind])
        data[place] ^= 1 << int(rng.integers(8))
        refused(kind, bytes(data))


def test_another_version_says_which(kind: str, whole: dict[str, bytes]) -> None:
    data = bytearray(whole[kind])
    data[7] = 2
    error = refused(kind, bytes(data))
    assert (error.got, error.want) == ("format version 2", "version 1")
    assert error.hint


def test_the_other_kind_is_named(kind: str, whole: dict[str, bytes]) -> None:
    other = "reference" if kind == "sketch" else "sketch"
    error = refused(kind, whole[other])
    assert (error.got, error.want) == (f"a {other}", f"a {kind}")


class Explosive:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle was run",)


def test_what_is_no_artefact_is_refused(kind: str) -> None:
    pickled = pickle.dumps(Explosive())
    for data in (b"", b"\0", b"\x93NUMPY" + bytes(200), pickled, bytes(100), MAGIC[kind], MAGIC[kind] + bytes(32)):
        refused(kind, data)
    for payload in (b"", pickled, bytes(7), bytes(8), b"[" * 50_000):
        refused(kind, signed(kind, payload))


def signed(kind: str, payload: bytes) -> bytes:
    return MAGIC[kind] + hashlib.sha256(payload).digest() + payload


@pytest.mark.parametrize("length", [2**63, 2**62, 2**31, 10**9, 2**64 - 1])
def test_a_huge_header_is_refused_and_not_read(kind: str, length: int) -> None:
    refused(kind, signed(kind, length.to_bytes(8, "little") + b"{}" + bytes(100)))


@pytest.mark.parametrize(
    "header", ["[]", '"text"', "null", "[" * 9000, "{", '{"cells": 1e999}', "{}", "NaN", "\\ud800"]
)
def test_a_header_that_is_none_is_refused(kind: str, header: str) -> None:
    text = json.dumps({"__metadata__": {"header": header}}).encode()
    refused(kind, signed(kind, len(text).to_bytes(8, "little") + text))


def forged(kind: str, data: bytes, change: Change) -> bytes:
    """The same artefact with another content and a digest that fits."""
    arrays, header = unpack(MAGIC[kind], data, kind)
    arrays = {name: array.copy() for name, array in arrays.items()}
    change(arrays, header)
    return pack(MAGIC[kind], arrays, header)


def harmless(kind: str, data: bytes) -> None:
    """Refused at the door, or measured without anything but errors of our own."""
    with suppress(TidegaugeError):
        if kind == "sketch":
            sketch = Sketch.from_bytes(data)
            compare(small(), sketch)
            (sketch + small().sketch(normal(60, 4, 5))).to_bytes()
        else:
            reference = Reference.from_bytes(data)
            compare(reference, reference.sketch(normal(200, 4, 3)))
            reference.resolution()


def names_of(kind: str) -> list[str]:
    """Arrays of an artefact, known without fitting one."""
    sums = [
        *("count", "mean", "features", "moments", "slices", "tails", "diagnostics", "cells", "distances", "novelty"),
        "spread",
    ]
    samples = [f"{s}.{part}" for s in ("uniform", "novel") for part in ("keys", "x", "ids", "texts", "outcomes")]
    basis = [
        *("centre", "axes", "deviations", "variance", "weights", "feature_mean", "feature_covariance", "directions"),
        *("direction_deviations", "centres", "ancestors", "near_knots", "diagnostic_edges", "anchor"),
    ]
    if kind == "sketch":
        return [*(f"sums.{n}" for n in sums), "outcome.0", *samples, "distinct"]
    return [*(f"basis.{n}" for n in basis), *(f"calibration.{n}" for n in ("sizes", "full", "fewer")), "base"]


def test_the_names_are_all_there_are(kind: str, whole: dict[str, bytes]) -> None:
    assert sorted(unpack(MAGIC[kind], whole[kind], kind)[0]) == sorted(names_of(kind))


ALL = [(kind, name) for kind in READERS for name in names_of(kind)]


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_missing_array_is_refused(kind: str, name: str, whole: dict[str, bytes]) -> None:
    refused(kind, forged(kind, whole[kind], lambda arrays, _: arrays.pop(name)))


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_wrong_shape_is_refused(kind: str, name: str, whole: dict[str, bytes]) -> None:
    """One row less, one axis more, none at all: refused when read, or (a sketch alone) when it meets its reference."""

    def shorter(arrays: Arrays, _: object) -> None:
        arrays[name] = arrays[name][:-1] if arrays[name].ndim else np.zeros(3)

    def deeper(arrays: Arrays, _: object) -> None:
        arrays[name] = arrays[name][None]

    def empty(arrays: Arrays, _: object) -> None:
        arrays[name] = np.empty((0, *arrays[name].shape[1:]), arrays[name].dtype)

    def flat(arrays: Arrays, _: object) -> None:
        arrays[name] = np.zeros((), arrays[name].dtype)

    for change in (shorter, deeper, empty, *(() if name in {"basis.variance", "basis.anchor"} else (flat,))):
        harmless(kind, forged(kind, whole[kind], change))
    if kind == "reference":
        refused(kind, forged(kind, whole[kind], deeper))


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_wrong_type_is_refused(kind: str, name: str, whole: dict[str, bytes]) -> None:
    def other(arrays: Arrays, _: object) -> None:
        kept = arrays[name]
        arrays[name] = kept.astype(np.float32 if kept.dtype == np.uint32 or kept.dtype.kind != "f" else np.int16)

    refused(kind, forged(kind, whole[kind], other))


@pytest.mark.parametrize(("kind", "name"), [pair for pair in ALL if pair[1].split(".")[0] in {"sums", "basis"}])
def test_figures_that_cannot_be_are_refused(kind: str, name: str, whole: dict[str, bytes]) -> None:
    def broken(arrays: Arrays, _: object) -> None:
        array = arrays[name]
        array = arrays[name] = (
            array if array.dtype == np.int64 else array.astype(array.dtype if array.dtype.kind == "f" else np.float64)
        )
        array.reshape(-1)[0] = np.nan if array.dtype.kind == "f" else 10**9

    refused(kind, forged(kind, whole[kind], broken))


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("wrong", [None, "text", -1, [], {}, [None], {"a": []}, float("inf"), 10**30])
def test_any_wrong_header_does_no_harm(kind: str, wrong: Any, whole: dict[str, bytes]) -> None:
    for name in unpack(MAGIC[kind], whole[kind], kind)[1]:
        harmless(kind, forged(kind, whole[kind], lambda _, header, name=name: header.update({name: wrong})))  # type: ignore[misc]
        harmless(kind, forged(kind, whole[kind], lambda _, header, name=name: header.pop(name)))  # type: ignore[misc]


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[", b"{}", b"3", b"[[1, 2]]", b'["a"]', b"[" * 20_000])
@pytest.mark.parametrize("part", ["ids", "texts"])
def test_texts_that_are_none_are_refused(part: str, text: bytes, whole: dict[str, bytes]) -> None:
    def other(arrays: Arrays, _: object) -> None:
        arrays[f"uniform.{part}"] = np.frombuffer(text, np.uint8)

    refused("sketch", forged("sketch", whole["sketch"], other))


def test_a_sketch_that_does_not_fit_its_reference_is_refused(whole: dict[str, bytes]) -> None:
    """All pieces of a wider basis under this reference's name."""
    with_rows = small().sketch(normal(60, 4, 1))
    stranger = Sketch.from_bytes(whole["sketch"])
    stranger.sums["features"] = np.zeros(10)
    for use in (lambda: score(small(), stranger), lambda: with_rows + stranger):
        with pytest.raises(TidegaugeError):
            use()
