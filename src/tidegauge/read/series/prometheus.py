"""A product metric that a Prometheus, or what speaks like one, works out of its series."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

import numpy as np
import numpy.typing as npt

from tidegauge.errors import UsageError
from tidegauge.read.faults import Fault, Faults
from tidegauge.read.series.exchange import basic, exchanged, failure
from tidegauge.read.series.failure import SeriesError
from tidegauge.read.series.point import SeriesPoint
from tidegauge.records import NONE

PANES_PER_CALL: Final = 11_000
"""Points of a series that a Prometheus gives in one answer."""

MOST_BYTES: Final = 32 << 20
"""Longest answer that is read; panes are asked for in smaller lots where one is longer."""

WEEK: Final = 604_800
MONDAY: Final = 345_600
"""1970-01-05: panes of whole weeks begin on Mondays, all others count from 1970-01-01 UTC."""

_PATH: Final = "/api/v1/query_range"
_URL: Final = re.compile(r"https?://[!-\[\]-~]+", re.ASCII | re.IGNORECASE)
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)
_MOST_SAID: Final = 300
_LONG: Final = 8
"""Characters from which a part of an address may be a token."""
_LATER: Final = (408, 429)
_REMARK: Final = "PromQL"
"""How a remark on the query begins; any other warning says that data is missing from the answer."""

Float64 = npt.NDArray[np.float64]


class PrometheusSeries:
    """A product metric from range queries to a Prometheus, VictoriaMetrics, Thanos or Mimir.

    Both queries are evaluated at the **end** of each pane, and what they give is of the pane before: in
    ``increase(requests_total[5m])`` with panes of 5 minutes, the sample of 12:05 is the point of 12:00, ``at`` the
    pane's start. The range in the query should be the pane's length. Where a query gives several series, they are
    summed, or summed by the label that names the segment.

    Parameters
    ----------
    url : str
        Address of the server, with the path before ``/api/v1`` if there is one; a user and password in it are sent as
        basic authentication.
    numerator, denominator : str
        PromQL. Without a denominator the numerator is a ready rate, and the denominator is 1 for each of its samples.
    step : int
        Length of a pane in seconds.
    segment_label : str
        Label whose values are segments; without it the points are of all rows.
    token : callable, optional
        Gives the bearer token each time that it is needed; it is never shown or kept.
    timeout : float
        Seconds within which each answer must be there.

    Raises
    ------
    UsageError
        Where a setting cannot be used.

    Examples
    --------
    >>> good, all_of_them = 'increase(answers_total{ok="1"}[5m])', "increase(answers_total[5m])"
    >>> PrometheusSeries("https://ada:secret@metrics:9090/prometheus", good, all_of_them, step=300).source
    'Prometheus at metrics:9090'
    """

    def __init__(
        self,
        url: str,
        numerator: str,
        denominator: str = "",
        *,
        step: int,
        segment_label: str = "",
        token: Callable[[], str | bytes] | None = None,
        timeout: float = 30.0,
    ) -> None:
        try:
            parts = urlsplit(url if _URL.fullmatch(url) else "")
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if not host:
            want = "an address of http:// or https://, such as http://prometheus:9090"
            raise UsageError("Prometheus", got="what is none", want=want)
        host = f"[{host}]" if ":" in host else host
        self.source = f"Prometheus at {host}:{port}" if port else f"Prometheus at {host}"
        if not numerator.strip():
            raise UsageError(self.source, got="no numerator", want="PromQL of what is counted")
        if step < 1:
            raise UsageError(self.source, got=f"panes of {step} seconds", want="at least 1")
        if not 0 < timeout < math.inf:
            raise UsageError(self.source, got=f"a time limit of {timeout} seconds", want="more than 0")
        if token is not None and parts.username is not None:
            want = "one way to say who asks"
            raise UsageError(self.source, got="both a token and a user in the address", want=want)
        self._parts, self._token, self._timeout = parts, token, timeout
        prefix = parts.path.rstrip("/").removesuffix(_PATH).removesuffix("/api/v1")
        self._target = f"{prefix}{_PATH}?{parts.query}" if parts.query else f"{prefix}{_PATH}"
        self._numerator, self._denominator = numerator, denominator.strip() and denominator
        self._step, self._label = step, segment_label
        self._faults = Faults()

    def points(self, since: float, until: float) -> Iterator[SeriesPoint]:
        """Yield the points of all whole panes from `since` to `until`, epoch seconds, panes in order.

        A pane whose sample is missing, NaN or infinite gives no point, and is counted (see `faults`). An answer counts
        whole or not at all; panes before one that fails are yielded by then, and are right.

        Raises
        ------
        SeriesError
            Where the server does not answer, refuses the query (in its own words), or gives a part of the answer.
        UsageError
            Where there is no token, or one that cannot be sent.
        """
        if not (math.isfinite(since) and math.isfinite(until)):
            raise UsageError(self.source, got=f"a span from {since} to {until}", want="two moments")
        origin = MONDAY if self._step % WEEK == 0 else 0
        first = -((origin - math.ceil(since)) // self._step)
        last = (math.floor(until) - origin) // self._step  # excluded: it would end later
        self._faults = Faults()
        return self._points(origin, first, last)

    def faults(self) -> tuple[Fault, ...]:
        """Return what the last call of `points` left out so far, the first by the pane it is of.

        Reasons are ``absent`` (no sample of the pane at all), ``no numerator`` and ``no denominator`` (only the other
        is there), ``not a number`` and ``infinite``, each counted once a pane and segment, and ``remark`` for what the
        server says of a query.
        """
        return self._faults.listed()

    def _points(self, origin: int, first: int, last: int) -> Iterator[SeriesPoint]:
        waiting = [(at, min(at + PANES_PER_CALL, last)) for at in range(first, last, PANES_PER_CALL)][::-1]
        while waiting:
            begin, end = waiting.pop()
            starts = origin + self._step * np.arange(begin, end, dtype=np.int64)
            try:
                above = self._asked(self._numerator, starts)
                below = self._asked(self._denominator, starts) if self._denominator else None
            except _TooLongError:
                if end - begin == 1:
                    raise
                middle = (begin + end) // 2
                waiting += [(middle, end), (begin, middle)]
                continue
            yield from self._joined(starts, above, below)

    def _joined(
        self, starts: npt.NDArray[np.int64], above: Mapping[str, _Sum], below: Mapping[str, _Sum] | None
    ) -> Iterator[SeriesPoint]:
        """The points of some panes, in order."""
        none = _Sum(np.zeros(len(starts)), np.zeros(len(starts), np.int64))
        segments = list(dict.fromkeys([*above, *(below or ())])) or [""]
        pairs: list[tuple[str, _Sum, _Sum]] = []
        for segment in segments:
            upper = above.get(segment, none)
            lower = _Sum(upper.samples.astype(np.float64), upper.samples) if below is None else below.get(segment, none)
            pairs.append((segment, upper, lower))
        for i, start in enumerate(starts.tolist()):
            if not any(upper.samples[i] or lower.samples[i] for _, upper, lower in pairs):
                self._faults.note("absent", _moment(start))
                continue
            for segment, upper, lower in pairs:
                if not upper.samples[i] and not lower.samples[i]:
                    continue
                reason = _reason(upper, lower, i)
                if reason:
                    self._faults.note(reason, f"{_moment(start)}, segment {segment}" if segment else _moment(start))
                else:
                    yield SeriesPoint(float(start), float(upper.total[i]), float(lower.total[i]), segment)

    def _asked(self, query: str, starts: npt.NDArray[np.int64]) -> dict[str, _Sum]:
        """Sums of the series that a query gives at the ends of some panes, by segment."""
        ends = [int(starts[0]) + self._step, int(starts[-1]) + self._step]
        form = {
            "query": query,
            "start": str(ends[0]),
            "end": str(ends[1]),
            "step": str(self._step),
            "timeout": f"{self._timeout:g}",
            # What others than Prometheus are told: no parts of answers, and no moments but those that were asked for.
            "partial_response": "false",
            "deny_partial_response": "1",
            "nocache": "1",
        }
        result = self._result(urlencode(form).encode(), query)
        sums: dict[str, _Sum] = {}
        try:
            for series in result:
                segment = (str(series["metric"].get(self._label, "")) or NONE) if self._label else ""
                places, values = _samples(series["values"], ends[0], self._step, len(starts))
                total = sums.setdefault(segment, _Sum(np.zeros(len(starts)), np.zeros(len(starts), np.int64)))
                with np.errstate(invalid="ignore", over="ignore"):
                    total.total[places] += values
                total.samples[places] += 1
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError):
            raise self._odd("an answer that is no series of numbers at the moments asked for") from None
        return sums

    def _result(self, data: bytes, query: str) -> Sequence[Any]:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": "tidegauge",
        }
        hidden = [each for each in (self._parts.path, self._parts.query) if len(each) >= _LONG]
        user = basic(self._parts)
        if user:
            headers["Authorization"] = f"Basic {user}"
            password = self._parts.password or self._parts.username or ""
            hidden += [user, password, unquote(password)]
        if self._token is not None:
            token = _read(self._token, self.source)
            headers["Authorization"] = f"Bearer {token}"
            hidden.append(token)
        found = exchanged(self._parts, self._target, data, headers, timeout=self._timeout, most=MOST_BYTES)
        if not found.status:
            said = _hiding(failure(found.error, self._timeout), hidden)
            raise SeriesError(self.source, got=said, want="an answer", transient=True)
        if len(found.body) > MOST_BYTES:
            got, hint = f"an answer of more than {MOST_BYTES >> 20} MiB", "Sum the series, such as by sum by (locale)"
            raise _TooLongError(self.source, got=got, want="a shorter one", hint=hint)
        answer = _object(found.body)
        if found.status != 200 or answer is None or answer.get("status") != "success":
            raise self._refused(found.status, answer, query, hidden)
        self._check_whole(answer, hidden)
        data_of = answer.get("data")
        result: Any = data_of.get("result") if isinstance(data_of, dict) else None
        if not isinstance(result, list):
            raise self._odd("JSON without a result")
        return result

    def _check_whole(self, answer: Mapping[str, Any], hidden: Sequence[str]) -> None:
        """Refuse a part of an answer, and count remarks."""
        warnings = answer.get("warnings") or []
        said = [_plain(each, hidden) for each in (warnings if isinstance(warnings, list) else [warnings])]
        missing = [each for each in said if not each.startswith(_REMARK)]
        if missing or answer.get("isPartial") is True:
            got = f"a part of the answer: {missing[0]}" if missing else "a part of the answer"
            raise SeriesError(self.source, got=got, want="all of it", transient=True)
        for each in said:
            self._faults.note("remark", each)

    def _refused(self, status: int, answer: Mapping[str, Any] | None, query: str, hidden: Sequence[str]) -> SeriesError:
        transient = status in _LATER or status >= 500
        said = _plain(answer.get("error"), hidden) if answer else ""
        if 300 <= status < 400:
            return SeriesError(self.source, got=f"HTTP {status}", want="an answer: redirects are not followed")
        if status in (401, 403):
            got = f"HTTP {status}: {said}" if said else f"HTTP {status}"
            return SeriesError(
                self.source, got=got, want="to be let in", hint="Look at the token, or user and password"
            )
        if said:
            return SeriesError(
                f"{self.source}, query {_shown(query)}",
                got=said,
                want="a query that it can answer" if not transient else "an answer",
                transient=transient,
            )
        if status != 200:
            hint = f"The address is that of the server, before {_PATH}" if status in (404, 405) else ""
            return SeriesError(self.source, got=f"HTTP {status}", want="an answer", hint=hint, transient=transient)
        return self._odd("what is not the JSON of a Prometheus")

    def _odd(self, got: str) -> SeriesError:
        return SeriesError(self.source, got=got, want="what a Prometheus answers", hint="Look at the address")


class _TooLongError(SeriesError):
    """An answer that is longer than is read."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sum:
    """What series sum up to at the ends of panes, float64 (n,), and of how many samples, int64 (n,)."""

    total: Float64
    samples: npt.NDArray[np.int64]


def _samples(values: Any, first: int, step: int, panes: int) -> tuple[npt.NDArray[np.int64], Float64]:
    """Places of samples among the panes, rising, and their values; `ValueError` where one is not of them."""
    moments = np.array([float(moment) for moment, _ in values], np.float64)
    numbers = np.array([float(value) for _, value in values], np.float64)
    places = np.rint((moments - first) / step)
    near = np.abs(places * step + first - moments) < 0.01
    if not (near.all() and (np.diff(places) > 0).all() and ((places >= 0) & (places < panes)).all()):
        raise ValueError
    return places.astype(np.int64), numbers


def _reason(upper: _Sum, lower: _Sum, i: int) -> str:
    """Why a pane gives no point; empty where it gives one."""
    if not upper.samples[i]:
        return "no numerator"
    if not lower.samples[i]:
        return "no denominator"
    if np.isnan(upper.total[i]) or np.isnan(lower.total[i]):
        return "not a number"
    return "" if np.isfinite(upper.total[i]) and np.isfinite(lower.total[i]) else "infinite"


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _read(token: Callable[[], str | bytes], source: str) -> str:
    found = token()
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else found
    if not _TOKEN.fullmatch(text):
        raise UsageError(f"{source}, token", got="what cannot be sent", want="printable characters without spaces")
    return text


def _plain(said: Any, hidden: Sequence[str]) -> str:
    """What a server says, on one line, without secrets, and not too long."""
    text = _hiding(" ".join(str(said or "").split()), hidden)[:_MOST_SAID]
    return "".join(each for each in text if each.isprintable())


def _hiding(text: str, hidden: Sequence[str]) -> str:
    for each in hidden:
        text = text.replace(each, "***") if each else text
    return text


def _shown(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= 120 else f"{text[:117]}..."


def _moment(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(seconds)
