"""What is asked for, and how it is answered: parameters within their bounds, streams that are there, documents."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypeVar

from fastapi import Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from tidegauge.errors import DataError, StoreError, UsageError
from tidegauge.records import StreamState
from tidegauge.report.formats import ABSENT
from tidegauge.report.windows import iso
from tidegauge.run.baseline import check_pane
from tidegauge.run.history import check_segment
from tidegauge.server.body import JSON, check_json, read_body, read_json
from tidegauge.server.once import Busy
from tidegauge.server.problem import RETRY, Refusal
from tidegauge.server.service import Service
from tidegauge.spec import StreamSpec
from tidegauge.spec.table import NAME
from tidegauge.window.spans import bounds

T = TypeVar("T")

_SPAN: Final = "Epoch seconds, ISO 8601, or such as 7d, counted back from the newest row; a row number, or such as "
StreamName = Annotated[str, Path(pattern=f"^{NAME}$", description="A stream of the settings.")]
Since = Annotated[str | None, Query(max_length=64, description=f"{_SPAN}'5000 rows', where panes are of rows.")]
Until = Annotated[str | None, Query(max_length=64, description="In the same words.")]
Segment = Annotated[str, Query(max_length=200, description="Of one segment; of all rows if not said.")]
Length = Annotated[
    str | None, Query(max_length=32, description="How long, such as 1h; if not said, the shortest above the pane.")
]
Newest = Annotated[int, Query(ge=1, le=1000, description="No more than so many, the newest.")]
NEWEST: Final = 100

_EPOCH: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")
_FARTHEST: Final = {"seconds": 253_402_300_800, "rows": 10**15}
"""Places that no stream comes to: the end of year 9999, and more rows than are ever counted."""
_MOST: Final = 65_536


def document(told: Any, status: int = 200) -> Response:
    """An object as an answer; half a character, which a person's text may hold, is replaced."""
    text = json.dumps(told, ensure_ascii=False, allow_nan=False)
    return Response(text.encode("utf-8", "replace"), status, media_type=JSON)


def stream_of(service: Service, name: str) -> StreamSpec:
    """The settings of a stream; 404 where there is none."""
    if name not in service.spec.streams:
        known = ", ".join(service.spec.streams) or "none"
        raise Refusal(404, f"stream {name}", got="none of this name", want=f"one of {known}")
    return service.spec.streams[name]


def recorded(service: Service, name: str) -> tuple[StreamSpec, StreamState]:
    """The settings of a stream and where it stands; 409 where nothing was recorded of it, or otherwise than now."""
    stream = stream_of(service, name)
    state = next((each for each in service.store.streams() if each.stream == name), None)
    if state is None or not state.reference:
        hint = f"Send rows to /v1/streams/{name}/batches" if state is None else f"'tidegauge rebaseline {name} FILE'"
        raise Refusal(409, f"stream {name}", got="no history yet", want="rows under a reference", hint=hint)
    with enough():
        check_pane(stream, state)
    return stream, state


def span_of(stream: StreamSpec, state: StreamState, since: str | None, until: str | None, length: int) -> Any:
    """Where a span begins and ends, (int or None) each; 422 where that cannot be told."""
    unit = "seconds" if stream.kind == "snapshot" else stream.pane.unit
    first, last = (None if each is None else _said(each, unit) for each in (since, until))
    with words():
        found = bounds(stream, state, first, last, length)
    for name, place in zip(("since", "until"), found, strict=True):
        if place is not None and abs(place) > _FARTHEST[unit]:
            raise Refusal(422, name, got=f"{(since, until)[name == 'until']!r}", want="a place that rows may come to")
    return found


def in_segment(state: StreamState, segment: str) -> str:
    """A segment that a stream has; 422 where it has no such."""
    with words():
        check_segment(state, segment)
    return segment


def _said(text: str, unit: str) -> str:
    """A place as the command line takes it, which knows no seconds since 1970."""
    if unit != "seconds" or not _EPOCH.fullmatch(text.strip()):
        return text
    moment = iso(float(text))
    return text if moment == ABSENT else moment


@contextmanager
def words() -> Generator[None]:
    """Refuse, with 422, what the command line would refuse, in its words, but for its dashes."""
    try:
        yield
    except UsageError as error:
        raise Refusal(422, error.what.removeprefix("--"), got=error.got, want=error.want) from None
    except (ValueError, OverflowError):
        raise Refusal(422, "span", got="a number that is too large", want="a place that rows may come to") from None


@contextmanager
def enough() -> Generator[None]:
    """Refuse, with 409, what cannot be told yet of a stream's history."""
    try:
        yield
    except StoreError:
        raise
    except (UsageError, DataError) as error:
        raise Refusal(409, error.what, got=error.got, want=error.want, hint=error.hint) from None


def page_of(items: Sequence[T], newest: int, place: Callable[[T], Any]) -> tuple[Sequence[T], T | None]:
    """The newest of some items in order, and the oldest of them where there are more before it.

    Those at the same place are not torn apart, so that what came before can be asked for by the place alone.

    Examples
    --------
    >>> page_of("abbcd", 3, str), page_of("abbcd", 9, str), page_of("aaab", 2, str)
    (('bbcd', 'b'), ('abbcd', None), ('aaab', None))
    """
    cut = max(len(items) - newest, 0)
    while 0 < cut < len(items) and place(items[cut - 1]) == place(items[cut]):
        cut -= 1
    return items[cut:], items[cut] if cut else None


async def made(ask: Callable[[], Future[T]], timeout: float) -> T:
    """Wait for what is dear to make; 409 where there is not enough history for it, 503 where it takes too long."""
    later = {"Retry-After": str(RETRY)}
    try:
        future = await run_in_threadpool(ask)
        with enough():
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), timeout)
    except Busy:
        raise Refusal(503, "view", got="too many before it", want="a while", headers=later) from None
    except TimeoutError:
        hint = "Ask again: it is being made"
        raise Refusal(503, "view", got=f"no end in {timeout:g} s", want="a while", hint=hint, headers=later) from None


async def given(request: Request, service: Service, *names: str) -> dict[str, Any]:
    """The object of JSON that a request brings, with no other names than these; 422 otherwise."""
    check_json(request)
    told = read_json(await read_body(request, min(_MOST, service.spec.server.body), service.spec.server.timeout))
    unknown = sorted(set(told) - set(names))
    if unknown:
        raise DataError("body", got=f"{unknown[0][:80]!r}", want=", ".join(names))
    return told


def text_in(told: dict[str, Any], name: str, most: int = 2000, otherwise: str = "") -> str:
    """A text of an object; 422 where it is none, or too long."""
    text = told.get(name)
    if text is None:
        return otherwise
    if not isinstance(text, str) or len(text) > most or "\x00" in text:
        got = f"{len(text):,} characters" if isinstance(text, str) else type(text).__name__
        raise DataError(name, got=got, want=f"a text of at most {most:,} characters")
    return text.encode("utf-8", "replace").decode("utf-8")


def place_in(told: dict[str, Any], name: str) -> str | None:
    """A place of an object, as it is asked for in an address: a number, or a text."""
    place = told.get(name)
    if place is None:
        return None
    if isinstance(place, bool) or not isinstance(place, str | int | float) or len(str(place)) > 64:
        raise DataError(name, got=type(place).__name__, want="epoch seconds, or a date such as 2026-11-23T14:00")
    return str(place)


def who(request: Request, told: dict[str, Any]) -> str:
    """Who asks: as they say, or whose token it is."""
    caller = getattr(request.state, "caller", None)
    return text_in(told, "who", 200, otherwise="" if caller is None else caller.name)
