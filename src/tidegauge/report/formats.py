"""How numbers and people's texts are written, everywhere: the only place that formats them. Pure functions."""

from __future__ import annotations

import math
import re
import unicodedata

NARROW = "\u202f"
MINUS = "\u2212"
ABSENT = "n/a"

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~]?)"
)
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _signs(text: str) -> str:
    return text.replace("-", MINUS)


def plain(text: str) -> str:
    """Write the typographic spaces and minus signs of this module as the keyboard has them, for terminals and ``grep``.

    Examples
    --------
    >>> plain(points(-0.042))
    '-4.2 points'
    """
    return text.replace(NARROW, " ").replace(MINUS, "-")


def count(n: int) -> str:
    """Format a whole number with narrow no-break spaces between thousands.

    Examples
    --------
    >>> plain(count(1234567))
    '1 234 567'
    """
    return _signs(f"{n:,}".replace(",", NARROW))


def _percent_digits(value: float) -> str:
    size = abs(value)
    if 0 < size < 0.005:
        return "< 0.01" if value > 0 else f"> {MINUS}0.01"
    text = f"{value:.{0 if size >= 99.95 else 1 if size >= 0.995 else 2}f}"
    return "0" if float(text) == 0 else _signs(text)


def percent(fraction: float) -> str:
    """Format a fraction as per cent, with one decimal from 1 % and two below.

    Examples
    --------
    >>> [plain(percent(f)) for f in (0.5, 0.0123, 0.0012, 0.00001, 0.0)]
    ['50.0 %', '1.2 %', '0.12 %', '< 0.01 %', '0 %']
    """
    return f"{_percent_digits(100 * fraction)}{NARROW}%" if math.isfinite(fraction) else ABSENT


def rough_percent(fraction: float) -> str:
    """Format a fraction as whole per cent, for axis labels and asides.

    Examples
    --------
    >>> [plain(rough_percent(f)) for f in (0.124, 0.002)]
    ['12 %', '< 1 %']
    """
    if not math.isfinite(fraction):
        return ABSENT
    return f"< 1{NARROW}%" if 0 < fraction < 0.005 else f"{_signs(f'{100 * fraction:.0f}')}{NARROW}%"


def _points_digits(difference: float) -> str:
    value = 100 * difference
    text = f"{value:+.{1 if abs(value) >= 0.995 else 2}f}"
    return "0" if float(text) == 0 else _signs(text)


def points(difference: float) -> str:
    """Format a difference of two rates as signed percentage points.

    Examples
    --------
    >>> plain(points(-0.042))
    '-4.2 points'
    """
    return f"{_points_digits(difference)}{NARROW}points" if math.isfinite(difference) else ABSENT


def points_between(low: float, high: float) -> str:
    """Format an interval of percentage points.

    Examples
    --------
    >>> plain(points_between(-0.115, -0.027))
    '-11.5 to -2.7 points'
    """
    return f"{_points_digits(low)} to {points(high)}" if math.isfinite(low + high) else ABSENT


def signed(value: float) -> str:
    """Format a difference in an outcome's own unit, to three significant digits.

    Examples
    --------
    >>> plain(signed(-0.01234)), signed(2.0), signed(0.0)
    ('-0.0123', '+2', '0')
    """
    text = number(value)
    return f"+{text}" if value > 0 and text not in ("0", ABSENT) else text


def p_value(p: float) -> str:
    """Format a p-value: three decimals, and never a bare zero.

    Examples
    --------
    >>> p_value(0.0031), p_value(0.00001), p_value(0.42), p_value(float("nan"))
    ('0.003', '< 0.001', '0.42', 'n/a')
    """
    if not math.isfinite(p):
        return ABSENT
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def p_clause(p: float) -> str:
    """Format a p-value for a sentence.

    Examples
    --------
    >>> [plain(p_clause(p)) for p in (0.003, 0.0, float("nan"))]
    ['p = 0.003', 'p < 0.001', 'p not computed']
    """
    text = p_value(p)
    if text == ABSENT:
        return "p not computed"
    sign = "" if text.startswith("<") else "= "
    return f"p {sign}{text}".replace(" ", NARROW)


def number(value: float) -> str:
    """Format a plain measure to three significant digits.

    Examples
    --------
    >>> [plain(number(value)) for value in (0.01234, 12.345, 0.0, 0.00001234, 1.0)]
    ['0.0123', '12.3', '0', '1.23e-05', '1']
    """
    if not math.isfinite(value):
        return ABSENT
    if 999.5 <= abs(value) < 1e7:
        return count(round(value))
    return _signs(f"{value:.3g}")


def z_value(z: float) -> str:
    """Format a z-score with its sign and one decimal.

    Examples
    --------
    >>> z_value(4.26), z_value(float("nan"))
    ('+4.3', 'n/a')
    """
    if not math.isfinite(z):
        return ABSENT
    return _signs(f"{round(z):+,}").replace(",", NARROW) if abs(z) >= 99.95 else _signs(f"{z:+.1f}")


def drift_value(value: float) -> str:
    """Format a drift, which is given in per cent of the traffic.

    Examples
    --------
    >>> plain(drift_value(3.42))
    '3.4 %'
    """
    return percent(value / 100)


def between(low: str, high: str) -> str:
    """Join two formatted bounds: ``"2.1 % to 3.4 %"``, or ``n/a`` where either is missing.

    Examples
    --------
    >>> between("1", "2"), between("1", "n/a")
    ('1 to 2', 'n/a')
    """
    return ABSENT if ABSENT in (low, high) else f"{low} to {high}"


def _harmless(char: str) -> str:
    kind = unicodedata.category(char)
    if kind in ("Zl", "Zp") or char in "\t\n\r\v\f\x85":
        return " "
    if kind == "Cs":
        return "\ufffd"
    return "" if kind == "Cc" or char in _BIDI else char


def clean(text: str, limit: int = 160) -> str:
    r"""Make a user's text safe to show on one line: no control characters, no terminal escapes, no direction overrides.

    Examples
    --------
    >>> clean("a\x1b[31mb\n c\u202e")
    'ab c'
    >>> clean("abcdef", limit=4)
    'abc…'
    """
    # A hostile text may be megabytes long; nothing beyond a few limits can be shown.
    text = "".join(map(_harmless, _ESCAPES.sub("", text[: 8 * limit + 1000])))
    text = re.sub(" +", " ", text).strip(" ")
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
