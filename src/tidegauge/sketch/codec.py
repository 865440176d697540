"""The only file that packs bytes: a magic word, a digest, and a safetensors payload. No pickle, nothing executable.

Layout: 8 bytes magic (the last is the format's version), 32 bytes SHA-256 of what follows, then safetensors:
named arrays and a JSON header. A digest is checked before anything is parsed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tidegauge.errors import ArtefactError
from tidegauge.sketch.samples import Sample

Arrays = dict[str, npt.NDArray[Any]]

SKETCH = b"TGSKETC\x01"
REFERENCE = b"TGREFER\x01"
CALIBRATION = b"TGCALIB\x01"
KINDS = {SKETCH[:7]: "sketch", REFERENCE[:7]: "reference", CALIBRATION[:7]: "calibration"}
MOST_BYTES = 1 << 30
DIGEST = 32
UNREADABLE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError)


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
        if not isinstance(header, dict):
            raise ValueError("no header")
    except (SafetensorError, *UNREADABLE) as error:
        raise ArtefactError(
            what, got=f"a payload that cannot be read ({error})", want="named arrays and a header"
        ) from error
    return arrays, header


def take(
    arrays: Arrays, name: str, kinds: str, shape: tuple[int | None, ...], *, finite: bool = True
) -> npt.NDArray[Any]:
    """One array of a payload, or ValueError where it is not of one of these types or this shape (None: any length but
    0), or holds what is no number (with ``finite`` no infinite one either).
    """
    array = arrays[name]
    sizes = zip(array.shape, shape, strict=False)
    if array.ndim != len(shape) or not all(n == want if want is not None else n > 0 for n, want in sizes):
        raise ValueError(f"{name} in its shape")
    if array.dtype.name not in kinds.split():
        raise ValueError(f"{name} in its type")
    if array.dtype.kind == "f" and not (np.isfinite(array) if finite else ~np.isnan(array)).all():
        raise ValueError(f"{name} in numbers")
    return array


def kind_of(data: bytes) -> str:
    """``"sketch"``, ``"reference"``, or ``""`` for anything else, from the first bytes."""
    return KINDS.get(bytes(data[:7]), "") if len(data) >= 8 + DIGEST else ""


def texts_to_array(texts: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Texts as UTF-8 JSON bytes."""
    return np.frombuffer(json.dumps([str(t) for t in texts]).encode(), np.uint8)


def array_to_texts(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.str_]:
    """Reverse ``texts_to_array``."""
    values = json.loads(array.tobytes().decode())
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("texts")
    return np.asarray(values, np.str_)


def sample_arrays(name: str, sample: Sample, outcomes: Sequence[str]) -> Arrays:
    """A sample as named arrays; ``outcomes`` of these names, in this order."""
    values = [sample.outcome(each) for each in outcomes]
    texts = {f"{name}.ids": texts_to_array(sample.ids), f"{name}.texts": texts_to_array(sample.texts)}
    told = {f"{name}.outcomes": np.stack(values)} if values else {}
    return {f"{name}.keys": sample.keys, f"{name}.x": sample.x, **texts, **told}


def sample_from(name: str, size: int, width: int, arrays: Arrays, outcomes: Sequence[str]) -> Sample:
    """Reverse ``sample_arrays``."""
    ids, texts = (array_to_texts(take(arrays, f"{name}.{part}", "uint8", (None,))) for part in ("ids", "texts"))
    k = len(ids)
    if len(texts) != k or k > size:
        raise ValueError(f"{name}.ids in their number")
    keys, x = take(arrays, f"{name}.keys", "float64", (k,)), take(arrays, f"{name}.x", "float16", (k, width))
    told = take(arrays, f"{name}.outcomes", "float64", (len(outcomes), k, 2)) if outcomes else ()
    return Sample(size, keys, x, ids, texts, dict(zip(outcomes, told, strict=True)))


def counts_to_array(values: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Whole numbers below 2^32 at half the size; anything else as it is."""
    small = values.astype(np.uint32) if len(values) and values.min() >= 0 and values.max() < 2**32 else None
    return small if small is not None and (small == values).all() else values
