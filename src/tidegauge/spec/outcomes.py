"""Settings of outcomes: product metrics, where they come from, and what of them is harm."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from tidegauge.records import Harmful, Outcome, OutcomeColumns, OutcomeUnit
from tidegauge.spec.alarms import SECRET_PATTERN
from tidegauge.spec.fault import Refused
from tidegauge.spec.table import Seconds, Table, address_beside, beside

PROMETHEUS: Final = ("prometheus+http", "prometheus+https")
NAME: Final = r"[^\x00-\x1f\x7f]{1,64}"
NAME_WANTED: Final = "a name of at most 64 characters, none of them a control character"
_SECRET = re.compile(SECRET_PATTERN, re.ASCII)
_SECRET_WANTED: Final = "where the token is: 'env:NAME' or 'file:PATH'"
_OF_SERIES: Final = ("numerator", "segment", "token", "table", "time")


class OutcomeSettings(Table):
    """A product metric, numerator / denominator, and what of it is harm.

    Examples
    --------
    >>> clicked = OutcomeSettings(column="clicks", denominator="shown", late="7d")
    >>> clicked.late, clicked.of("clicked")
    (604800, Outcome(name='clicked', harmful='falls', unit='share'))
    """

    harmful: Harmful = "falls"
    """What of it is harm: that it falls, as of success, or that it rises, as of escalations."""
    unit: OutcomeUnit = "share"
    """share: 0 <= numerator <= denominator. count: the numerator is at least 0. number: any. What is out of its unit is
    set aside and counted, and its row stays."""
    column: str = Field(default="", examples=["clicks"])
    """Column of the numerators beside the vectors. Unset: called as the outcome is."""
    denominator: str = Field(default="", examples=["shown"])
    """Column of the denominators; of a ready series from Prometheus, PromQL. Unset: one a row, or a point."""
    late: Seconds | None = Field(default=None, examples=["7d"])
    """How long after a row its outcome may come, by the row's id, with 'tidegauge outcomes STREAM --late FILE': so long
    it is kept in which pane and cell each row was counted. Unset: outcomes come beside the vectors."""
    source: str = Field(default="", examples=["success.csv", "prometheus+http://prometheus:9090"])
    """Where a ready series is: a CSV or Parquet file, the SQLAlchemy address of a database, or a Prometheus as
    prometheus+http://HOST:9090. Unset: the outcome is measured of the rows themselves."""
    table: str = Field(default="", examples=["daily_success"])
    """Table to read, where the source is a database."""
    numerator: str = Field(default="", examples=["successes"])
    """Column of the numerators of a ready series, or PromQL. Unset: called as the outcome is."""
    time: str = Field(default="", examples=["day"])
    """Column of times of a ready series. Unset: time."""
    segment: str = Field(default="", examples=["locale"])
    """Column, or label, of segments of a ready series. Unset: it is of all rows."""
    token: Annotated[str, WithJsonSchema({"type": "string", "pattern": SECRET_PATTERN})] = Field(
        default="", examples=["env:PROMETHEUS_TOKEN"]
    )
    """Where the bearer token for Prometheus is: env:NAME, a variable of the environment, or file:PATH; never the token
    itself."""

    @property
    def is_prometheus(self) -> bool:
        """Whether the source is a Prometheus."""
        return self.source.partition("://")[0] in PROMETHEUS

    @property
    def is_database(self) -> bool:
        """Whether the source is a database."""
        return "://" in self.source and not self.is_prometheus

    @property
    def is_beside(self) -> bool:
        """Whether it stands beside the vectors."""
        return not self.source and self.late is None

    def of(self, name: str) -> Outcome:
        """The outcome as a record."""
        return Outcome(name, self.harmful, self.unit)

    def columns(self, name: str) -> OutcomeColumns:
        """Where it stands in a table of rows."""
        return OutcomeColumns(name, self.column or name, self.denominator or None, self.unit)

    @field_validator("source")
    @classmethod
    def _located(cls, source: str, info: ValidationInfo) -> str:
        if source.partition("://")[0] in PROMETHEUS:
            if not urlsplit(source).hostname:
                raise Refused(source, "prometheus+http://HOST:9090")
            return source
        return address_beside(source, info) if "://" in source else beside(source, info) if source else source

    @field_validator("token", mode="before")
    @classmethod
    def _elsewhere(cls, token: Any, info: ValidationInfo) -> str:
        if token == "":
            return token
        if not isinstance(token, str) or not _SECRET.fullmatch(token):
            hint = "Put the token there, and only its name here"
            raise Refused(None, _SECRET_WANTED, hint, got="something else, perhaps the token itself")
        place, _, path = token.partition(":")
        return f"file:{beside(path, info)}" if place == "file" else token

    @model_validator(mode="after")
    def _fits(self) -> OutcomeSettings:
        if not self.source:
            for each in _OF_SERIES:
                if getattr(self, each):
                    want = "nothing, as there is no source: it is of a ready series"
                    raise Refused(None, want, below=(each,), got="a value")
            return self
        if self.late is not None or self.column:
            wrong = "column" if self.late is None else "late"
            raise Refused(None, "nothing, as a ready series has a source", below=(wrong,), got="a value")
        if self.is_database != bool(self.table):
            want = "the name of a table to read, as the source is a database"
            raise Refused(self.table or None, want if self.is_database else "nothing", below=("table",))
        if self.token and not self.is_prometheus:
            raise Refused(None, "nothing, as the source is no Prometheus", below=("token",), got="a token")
        if self.is_prometheus and not self.numerator:
            raise Refused(None, "PromQL, as the source is a Prometheus", below=("numerator",))
        return self
