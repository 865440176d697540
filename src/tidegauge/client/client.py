"""The client: calls that return at once, and a thread that sends."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from time import time as now
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, cast

from tidegauge.client.address import address_of
from tidegauge.client.rows import Late, Row, owned, pairs_of, rows_of, seconds_of, text_of
from tidegauge.client.sender import Limits, Sender
from tidegauge.client.stats import Stats
from tidegauge.client.transport import Transport
from tidegauge.errors import DataError, UsageError

URL: Final = "http://127.0.0.1:8765"
_MODEL: Final = re.compile("[ -~]{0,200}")

P = ParamSpec("P")
R = TypeVar("R")


class Observer:
    """What `Client` and `AsyncClient` have in common. None of its calls waits, and none of them raises."""

    def __init__(
        self,
        url: str = URL,
        *,
        stream: str,
        token: str | None = None,
        model_id: str = "",
        queue_rows: int = 10_000,
        queue_bytes: int = 64 << 20,
        batch_rows: int = 256,
        flush_seconds: float = 1.0,
        timeout: float = 30.0,
        patience: float = 600.0,
        insecure: bool = False,
    ) -> None:
        token = os.environ.get("TIDEGAUGE_TOKEN", "") if token is None else token
        address = address_of(url, stream, token=token, insecure=insecure)
        for name, value in {"queue_rows": queue_rows, "queue_bytes": queue_bytes, "batch_rows": batch_rows}.items():
            if value < 1:
                raise UsageError(name, got=str(value), want="at least 1")
        for name, value in {"flush_seconds": flush_seconds, "timeout": timeout, "patience": patience}.items():
            if not 0 < value <= 86_400:
                raise UsageError(name, got=str(value), want="seconds, more than 0 and at most a day")
        if not _MODEL.fullmatch(model_id):
            raise UsageError("model_id", got=repr(model_id[:60]), want="at most 200 printable ASCII characters")
        self.stream = stream
        self._model_id = model_id
        limits = Limits(queue_rows, queue_bytes, min(batch_rows, queue_rows), flush_seconds, patience)
        self._sender = Sender(Transport(address, token, timeout), limits, stream)

    @property
    def stats(self) -> Stats:
        """What has become of all that was given."""
        return self._sender.stats()

    def observe(
        self,
        vector: Any,
        *,
        id: str = "",  # noqa: A002 - the word of the data
        time: Any = None,
        session: str = "",
        segment: str = "",
        text: str = "",
        outcomes: Mapping[str, Any] | None = None,
        model_id: str = "",
    ) -> None:
        """Give one vector, shape (d,), which is copied.

        Parameters
        ----------
        vector : array-like of d numbers
            float32, float16 and int8 travel as they are, all else as float32. A tensor on a GPU is waited for.
        id : str
            By which `outcome` finds the row later, and by which it can be forgotten.
        time : datetime, ISO 8601 text or epoch seconds, optional
            Now, where it is not said.
        session, segment, text : str
            What the row belongs to, and what it is the vector of.
        outcomes : mapping of name to number, or to (numerator, denominator), optional
            What is known already; None and NaN are what is missing.
        model_id : str
            The model of this vector, where that is not the client's.
        """
        try:
            row = Row(
                owned(vector),
                id if type(id) is str else text_of(id),
                now() if time is None else seconds_of(time),
                session if type(session) is str else text_of(session),
                segment if type(segment) is str else text_of(segment),
                text if type(text) is str else text_of(text),
                dict(outcomes) if outcomes else _NONE,
                _checked(model_id) if model_id else self._model_id,
                monotonic(),
            )
        except Exception as error:  # whatever was given: the caller's request goes on
            self._sender.drop(1, error)
            return
        self._sender.put(row)

    def observe_many(
        self,
        vectors: Any,
        *,
        ids: Sequence[Any] | None = None,
        times: Sequence[Any] | None = None,
        sessions: Sequence[Any] | str | None = None,
        segments: Sequence[Any] | str | None = None,
        texts: Sequence[Any] | None = None,
        outcomes: Mapping[str, Sequence[Any]] | None = None,
        model_id: str = "",
    ) -> None:
        """Give n vectors, shape (n, d), which are copied.

        Parameters
        ----------
        vectors : array-like of n rows of d numbers
            A row that is no vector is dropped by itself.
        ids, times, sessions, segments, texts : sequence of n values, optional
            See `observe`. One session or segment may stand for all rows.
        outcomes : mapping of name to sequence of n values, optional
        model_id : str
            See `observe`.
        """
        n = 1
        try:
            n = len(vectors) if hasattr(vectors, "__len__") else 1
            rows = rows_of(vectors)
            n = len(rows)
            named = {"ids": ids, "times": times, "texts": texts}
            shared = {"sessions": sessions, "segments": segments}
            columns = {name: _column(name, values, n) for name, values in named.items()}
            columns |= {
                name: [values] * n if isinstance(values, str) else _column(name, values, n)
                for name, values in shared.items()
            }
            told = {name: _column(f"outcome {name}", values, n) for name, values in (outcomes or {}).items()}
        except Exception as error:  # as above
            self._sender.drop(n, error)
            return
        for i, vector in enumerate(rows):
            self.observe(
                vector,
                id=columns["ids"][i],
                time=columns["times"][i],
                session=columns["sessions"][i],
                segment=columns["segments"][i],
                text=columns["texts"][i],
                outcomes={name: values[i] for name, values in told.items()} if told else None,
                model_id=model_id,
            )

    def outcome(self, id: str, /, **outcomes: Any) -> None:  # noqa: A002 - the word of the data
        """Give outcomes that have become known of the row with this id, which was given before.

        The settings of the stream must say that they come late. Each counts once, however often it is given.

        Parameters
        ----------
        id : str
        **outcomes : number, or (numerator, denominator)
        """
        try:
            pairs, unfit = pairs_of(outcomes)
            name = text_of(id)
            if not name or not pairs:
                raise DataError("outcome", got="no number" if name else "no id", want="an id, and numbers by name")
        except Exception as error:  # as above
            self._sender.drop(1, error, late=True)
            return
        if unfit:
            self._sender.unfit(unfit)
        self._sender.put(Late(name, pairs, monotonic()))

    def wrap(self, embed: Callable[P, R], *, texts: bool = False, segment: str = "") -> Callable[P, R]:
        """Give every vector that a function returns: one, shape (d,), or several, shape (n, d). Also a decorator.

        Parameters
        ----------
        embed : callable
            A function, or an ``async`` one. What it returns and raises stays as it is.
        texts : bool
            Whether its first argument, a text or a list of texts, goes with the vectors.
        segment : str
        """

        def seen(found: Any, given: tuple[Any, ...]) -> None:
            try:
                many = found.ndim == 2 if hasattr(found, "ndim") else bool(len(found)) and hasattr(found[0], "__len__")
                first = given[0] if texts and given else None
            except Exception as error:  # as above
                self._sender.drop(1, error)
                return
            if many:
                self.observe_many(found, texts=None if isinstance(first, str) else first, segments=segment)
            else:
                self.observe(found, text=first if isinstance(first, str) else "", segment=segment)

        if inspect.iscoroutinefunction(embed):

            @functools.wraps(embed)
            async def later(*args: P.args, **kwargs: P.kwargs) -> Any:
                found = await cast("Any", embed(*args, **kwargs))
                seen(found, args)
                return found

            return cast("Callable[P, R]", later)

        @functools.wraps(embed)
        def at_once(*args: P.args, **kwargs: P.kwargs) -> R:
            found = embed(*args, **kwargs)
            seen(found, args)
            return found

        return at_once


class Client(Observer):
    """Sends vectors and outcomes of one stream to ``tidegauge serve``, beside the work of the service.

    ``observe``, ``observe_many`` and ``outcome`` put into a bounded queue and return at once; a thread sends batches,
    tries again what failed, and counts what it had to drop (``stats``). After the client is made nothing raises: what
    cannot be used is counted, and said in the log ``tidegauge.client``, each kind of thing once a minute. What waits
    at the end of the process is sent within 5 seconds; a forked process has a queue and a thread of its own.

    Parameters
    ----------
    url : str
        Of the service.
    stream : str
        Which of its streams.
    token : str, optional
        With the scope ``write``. Where not given, the environment's TIDEGAUGE_TOKEN.
    model_id : str
        The embedding model, by which a swapped one is told.
    queue_rows, queue_bytes : int
        How much may wait; what comes when it is full is dropped.
    batch_rows : int
        Rows of a batch.
    flush_seconds : float
        How long a row waits for its batch to fill.
    timeout : float
        Seconds of one try; no less than the service takes at most.
    patience : float
        Seconds after which what could not be sent is given up.
    insecure : bool
        Whether the token may travel to another machine over http, in the clear.

    Raises
    ------
    UsageError
        Where an argument cannot be used.

    Examples
    --------
    >>> client = Client(stream="queries", model_id="my-encoder-1")
    >>> client.stats.rows
    Tally(given=0, sent=0, waiting=0, dropped={})
    >>> client.close()
    True
    """

    def flush(self, timeout: float = 10.0) -> bool:
        """Send what was given so far, and wait for it; False where some of it still waits."""
        return self._sender.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Take nothing more, and send what waits; False where some of it had to be dropped."""
        return self._sender.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()


class AsyncClient(Observer):
    """The same for an asynchronous service. ``observe`` and the others are plain calls, as they never wait: the same
    thread sends beside the event loop. ``flush`` and ``aclose`` are awaited.

    Parameters
    ----------
    **settings
        As of `Client`.

    Examples
    --------
    >>> import asyncio
    >>> async def main():
    ...     async with AsyncClient(stream="queries") as client:
    ...         return client.stats.rows.given
    >>> asyncio.run(main())
    0
    """

    async def flush(self, timeout: float = 10.0) -> bool:
        """Send what was given so far, and wait for it; False where some of it still waits."""
        return await _beside(self._sender.flush, timeout)

    async def aclose(self, timeout: float = 5.0) -> bool:
        """Take nothing more, and send what waits; False where some of it had to be dropped."""
        return await _beside(self._sender.close, timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.aclose()


_NONE: Final[Mapping[str, Any]] = {}


async def _beside(wait: Callable[[float], bool], timeout: float) -> bool:
    """Wait in a thread, so that the event loop goes on."""
    import asyncio

    return await asyncio.to_thread(wait, timeout)


def _checked(model_id: str) -> str:
    if not _MODEL.fullmatch(model_id):
        raise DataError("model_id", got=repr(model_id[:60]), want="at most 200 printable ASCII characters")
    return model_id


def _column(name: str, values: Any, n: int) -> Sequence[Any]:
    if values is None:
        return [None] * n
    if isinstance(values, str) or len(values) != n:
        raise DataError(name, got="a text" if isinstance(values, str) else f"{len(values)} values", want=f"{n}")
    return values
