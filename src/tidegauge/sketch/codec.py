"""The only file that packs bytes: a magic word, a digest, and a safetensors payload. No pickle, nothing executable.

Layout: 8 bytes magic (the last is the format's version), 32 bytes SHA-256 of what follows, then safetensors:
named arrays and a JSON header. A digest is checked before anything is parsed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.errors import ArtefactError
from tidegauge.sketch.pieces import PIECES
from tidegauge.sketch.samples import Distinct, Sample
from tidegauge.sketch.sketch import Sketch

Arrays = dict[str, npt.NDArray[Any]]

SKETCH = b"TGSKETC\x01"
REFERENCE = b"TGREFER\x01"
KINDS = {SKETCH[:7]: "sketch", REFERENCE[:7]: "reference"}
MOST_BYTES = 1 << 30
DIGEST = 32


def pack(magic: bytes, arrays: Arrays, header: Mapping[str, Any]) -> bytes:
    """Arrays and a JSON-able header as one block of bytes."""
    from safetensors.numpy import save

    whole = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    payload = save(whole, metadata={"header": json.dumps(header, sort_keys=True)})
    return magic + hashlib.sha256(payload).digest() + payload


def unpack(magic: bytes, data: bytes, what: str) -> tuple[Arrays, dict[str, Any]]:
    """Reverse ``pack``; anything but the bytes that it made raises ``ArtefactError``."""
    want = KINDS[magic[:7]]
    if len(data) > MOST_BYTES:
        raise ArtefactError(what, got=f"{len(data)} bytes", want=f"at most {MOST_BYTES}")
    found = kind_of(data)
    if found != want:
        raise ArtefactError(what, got=f"a {found}" if found else "no file of tidegauge's", want=f"a {want}")
    if data[7] != magic[7]:
        raise ArtefactError(
            what, got=f"format version {data[7]}", want=f"version {magic[7]}", hint="Use the tidegauge that wrote it"
        )
    payload = data[8 + DIGEST :]
    if not hmac.compare_digest(hashlib.sha256(payload).digest(), data[8 : 8 + DIGEST]):
        raise ArtefactError(what, got=f"damaged or truncated bytes ({len(data)})", want="bytes that match their digest")
    return _parse(payload, what)


def _parse(payload: bytes, what: str) -> tuple[Arrays, dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(payload)
        size = int.from_bytes(payload[:8], "little")
        header = json.loads(json.loads(payload[8 : 8 + size])["__metadata__"]["header"])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ArtefactError(
            what, got=f"a payload that cannot be read ({error})", want="named arrays and a header"
        ) from error
    return arrays, header


def kind_of(data: bytes) -> str:
    """``"sketch"``, ``"reference"``, or ``""`` for anything else, from the first bytes."""
    return KINDS.get(bytes(data[:7]), "") if len(data) >= 8 + DIGEST else ""


def texts_to_array(texts: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Texts as UTF-8 JSON bytes."""
    return np.frombuffer(json.dumps([str(t) for t in texts]).encode(), np.uint8)


def array_to_texts(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.str_]:
    """Reverse ``texts_to_array``."""
    return np.asarray(json.loads(array.tobytes().decode()), np.str_)


def sample_arrays(name: str, sample: Sample) -> Arrays:
    """A sample as named arrays."""
    texts = {f"{name}.ids": texts_to_array(sample.ids), f"{name}.texts": texts_to_array(sample.texts)}
    return {f"{name}.keys": sample.keys, f"{name}.x": sample.x, **texts}


def sample_from(name: str, size: int, arrays: Arrays) -> Sample:
    """Reverse ``sample_arrays``."""
    ids, texts = (array_to_texts(arrays[f"{name}.{part}"]) for part in ("ids", "texts"))
    return Sample(size, arrays[f"{name}.keys"], arrays[f"{name}.x"], ids, texts)


def encode_sketch(sketch: Sketch) -> bytes:
    """A sketch as bytes; equal sketches give equal bytes."""
    arrays: Arrays = {f"sums.{name}": values for name, values in sketch.sums.items()}
    arrays |= {f"outcome.{i}": sketch.outcomes[name] for i, name in enumerate(sorted(sketch.outcomes))}
    arrays |= sample_arrays("uniform", sketch.uniform) | sample_arrays("novel", sketch.novel)
    arrays["distinct"] = sketch.distinct.hashes
    header = {
        "reference": sketch.reference,
        "cells": sketch.cells,
        "outcomes": sorted(sketch.outcomes),
        "rejected": dict(sketch.rejected),
        "first_rejected": sketch.first_rejected,
        "times": sketch.times,
        "source": sketch.source,
        "sizes": [sketch.uniform.size, sketch.novel.size, sketch.distinct.size],
    }
    return pack(SKETCH, arrays, header)


def decode_sketch(data: bytes, what: str = "sketch") -> Sketch:
    """Reverse ``encode_sketch``."""
    arrays, header = unpack(SKETCH, data, what)
    out = object.__new__(Sketch)
    try:
        out.reference, out.cells = str(header["reference"]), int(header["cells"])
        out.sums = {name: arrays[f"sums.{name}"] for name in PIECES}
        out.outcomes = {name: arrays[f"outcome.{i}"] for i, name in enumerate(header["outcomes"])}
        out.rejected, out.first_rejected = Counter(header["rejected"]), dict(header["first_rejected"])
        out.times = None if header["times"] is None else (float(header["times"][0]), float(header["times"][1]))
        out.source = str(header["source"])
        uniform, novel, distinct = (int(s) for s in header["sizes"])
        out.uniform, out.novel = sample_from("uniform", uniform, arrays), sample_from("novel", novel, arrays)
        out.distinct = Distinct(arrays["distinct"], distinct)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtefactError(what, got=f"a payload without {error}", want="all pieces of a sketch") from error
    return out
