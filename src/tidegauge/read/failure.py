"""What goes wrong inside other people's decoders becomes one `DataError` that names the file."""

from __future__ import annotations

import csv
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tidegauge.errors import DataError

_T = TypeVar("_T")

_EXPECTED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    csv.Error,
    tokenize.TokenError,
    SyntaxError,
)


@contextmanager
def failing(source: str, kind: str) -> Generator[None]:
    """Turn an error of a decoder of `kind` files into a `DataError` about `source`.

    Examples
    --------
    >>> with failing("a.parquet", "Parquet"):
    ...     raise OSError("Unexpected end of stream")
    Traceback (most recent call last):
    tidegauge.errors.DataError: a.parquet: got Unexpected end of stream, want a whole Parquet file. The file may be \
damaged or cut short: write it again, or copy it again
    """
    try:
        yield
    except DataError:
        raise
    except PermissionError as error:
        raise DataError(source, got="no permission to read it", want="a readable file") from error
    except Exception as error:
        # pyarrow is imported only by the formats that need it, so that its errors are known by where they come from.
        if not isinstance(error, _EXPECTED) and not type(error).__module__.startswith("pyarrow"):
            raise
        hint = "The file may be damaged or cut short: write it again, or copy it again"
        raise DataError(source, got=_first_line(error), want=f"a whole {kind} file", hint=hint) from error


def guarded(stream: Iterator[_T], source: str, kind: str) -> Iterator[_T]:
    """Pass a stream on, each step of it under `failing`; what the consumer raises is not touched.

    Examples
    --------
    >>> list(guarded(iter([1, 2]), "a.csv", "CSV"))
    [1, 2]
    """
    while True:
        with failing(source, kind):
            try:
                item = next(stream)
            except StopIteration:
                return
        yield item


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0].rstrip(".")
    return text[:200] or type(error).__name__
