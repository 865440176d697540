"""The tables, as the newest revision makes them; a test compares the two."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tidegauge.errors import ArtefactError

REVISIONS = ("0001", "0002", "0003", "0004")
"""The revisions of the schema, oldest first; `migrations` makes them."""
VERSION_TABLE = "tidegauge_version"


class Words(sa.types.TypeDecorator[str]):
    """Any text that Python can hold, in columns that refuse NUL and lone surrogates: written as inside JSON quotes."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Escape what a text column cannot hold."""
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False)[1:-1].encode("utf-8", "backslashreplace").decode("utf-8")

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Undo the escapes."""
        try:
            return None if value is None else json.loads(f'"{value}"')
        except ValueError as error:
            raise ArtefactError("store", got="a damaged text", want="one that tidegauge wrote") from error


metadata = sa.MetaData()

# Names compare byte by byte in both databases, so that they sort as they do in Python.
_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# SQLite counts rows up by itself only in a column that is exactly INTEGER.
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _stream(*, key: bool = False) -> sa.Column[str]:
    return sa.Column("stream", _NAME, sa.ForeignKey("tidegauge_streams.stream"), primary_key=key, nullable=False)


def _key() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("reference", _NAME, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("segment", _NAME, nullable=False),
    )


def _pane() -> tuple[sa.Column[Any], ...]:
    return (*_key(), sa.Column("rows", sa.BigInteger, nullable=False))


streams = sa.Table(
    "tidegauge_streams",
    metadata,
    sa.Column("stream", _NAME, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", _NAME, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("watermark", sa.Double),
    sa.Column("seen", sa.BigInteger, nullable=False),
    sa.Column("settled", sa.BigInteger),
    sa.Column("segments", sa.Text, nullable=False),
    sa.Column("aside", sa.Text, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("model", Words, nullable=False),
    sa.Column("pane", sa.Text, nullable=False),
)

references = sa.Table(
    "tidegauge_references",
    metadata,
    sa.Column("reference", _NAME, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

baselines = sa.Table(
    "tidegauge_baselines",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _stream(),
    sa.Column("reference", _NAME, sa.ForeignKey("tidegauge_references.reference"), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", Words, nullable=False),
    sa.Column("why", Words, nullable=False),
    sa.Index("tidegauge_baselines_stream", "stream"),
    sqlite_autoincrement=True,
)

# A batch's id and a source's name may be as long as a path: their digests are the keys.
batches = sa.Table(
    "tidegauge_batches",
    metadata,
    _stream(key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("latest", sa.Double, nullable=False),
    sa.Index("tidegauge_batches_latest", "stream", "latest"),
)

positions = sa.Table(
    "tidegauge_positions",
    metadata,
    _stream(key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("source", Words, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("mark", Words, nullable=False),
)

parts = sa.Table(
    "tidegauge_parts",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _stream(),
    *_pane(),
    sa.Column("removed", sa.Boolean, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("tidegauge_parts_ends", "stream", "ends"),
    sqlite_autoincrement=True,
)

windows = sa.Table(
    "tidegauge_windows",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _stream(),
    *_pane(),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary),
    sa.UniqueConstraint("stream", "reference", "length", "start", "segment", name="tidegauge_windows_key"),
    sa.Index("tidegauge_windows_start", "stream", "length", "start"),
    sqlite_autoincrement=True,
)

events = sa.Table(
    "tidegauge_events",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _stream(),
    sa.Column("kind", Words, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("until", sa.Double),
    sa.Column("said", Words, nullable=False),
    sa.Index("tidegauge_events_at", "stream", "at"),
    sqlite_autoincrement=True,
)

clusters = sa.Table(
    "tidegauge_clusters",
    metadata,
    _stream(key=True),
    sa.Column("reference", _NAME, primary_key=True),
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("born", sa.BigInteger, nullable=False),
    sa.Column("gone", sa.BigInteger),
    sa.Column("absent", sa.BigInteger, nullable=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("centre", sa.LargeBinary, nullable=False),
)

shares = sa.Table(
    "tidegauge_shares",
    metadata,
    sa.Column("stream", _NAME, primary_key=True),
    sa.Column("reference", _NAME, primary_key=True),
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True),
    sa.Column("length", sa.BigInteger, primary_key=True),
    sa.Column("inside", sa.BigInteger, nullable=False),
    sa.Column("sampled", sa.BigInteger, nullable=False),
    sa.ForeignKeyConstraint(
        ["stream", "reference", "name"],
        ["tidegauge_clusters.stream", "tidegauge_clusters.reference", "tidegauge_clusters.name"],
        name="tidegauge_shares_cluster",
    ),
)

# Read by segment over a span of time, which is the order of the key.
tallies = sa.Table(
    "tidegauge_tallies",
    metadata,
    _stream(),
    *_pane(),
    sa.Column("moment", sa.Double),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("stream", "reference", "length", "segment", "start", name="tidegauge_tallies_key"),
    sa.Index("tidegauge_tallies_ends", "stream", "length", "ends"),
)

calibrations = sa.Table(
    "tidegauge_calibrations",
    metadata,
    _stream(),
    sa.Column("reference", _NAME, nullable=False),
    sa.Column("segment", _NAME, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("panes", sa.BigInteger, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("stream", "reference", "segment", name="tidegauge_calibrations_key"),
)

# People name an alarm by its id alone, so that it is unique over all streams.
alarms = sa.Table(
    "tidegauge_alarms",
    metadata,
    sa.Column("alarm", _NAME, primary_key=True),
    _stream(),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("opened", sa.BigInteger, nullable=False),
    sa.Column("updated", sa.BigInteger, nullable=False),
    sa.Column("resolved", sa.BigInteger),
    sa.Column("said", sa.Text, nullable=False),
    sa.Index("tidegauge_alarms_opened", "stream", "opened"),
)

# An empty stream stands for all, so that no stream is pointed at.
annotations = sa.Table(
    "tidegauge_annotations",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("stream", _NAME, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
    sa.Column("said", Words, nullable=False),
    sa.Column("who", Words, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("alarm", _NAME, nullable=False),
    sa.Index("tidegauge_annotations_since", "stream", "since"),
    sqlite_autoincrement=True,
)

outbox = sa.Table(
    "tidegauge_outbox",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    _stream(),
    sa.Column("endpoint", _NAME, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("key", Words, nullable=False),
    sa.Column("alarm", _NAME, nullable=False),
    sa.Column("change", sa.Text, nullable=False),
    sa.Column("body", Words, nullable=False),
    sa.Column("due", sa.Double, nullable=False),
    sa.Column("tries", sa.BigInteger, nullable=False),
    sa.Column("fault", Words, nullable=False),
    sa.Column("delivered", sa.Double),
    sa.UniqueConstraint("endpoint", "digest", name="tidegauge_outbox_key"),
    sa.Index("tidegauge_outbox_due", "delivered", "due"),
    sa.Index("tidegauge_outbox_alarm", "endpoint", "alarm"),
    sqlite_autoincrement=True,
)

# Read by outcome over a span of time.
outcomes = sa.Table(
    "tidegauge_outcomes",
    metadata,
    _stream(),
    *_key(),
    sa.Column("outcome", _NAME, nullable=False),
    sa.Column("numerator", sa.Double, nullable=False),
    sa.Column("denominator", sa.Double, nullable=False),
    sa.PrimaryKeyConstraint(
        "stream", "length", "outcome", "segment", "reference", "start", name="tidegauge_outcomes_key"
    ),
    sa.Index("tidegauge_outcomes_ends", "stream", "length", "ends"),
)

# One a row, by the first half of its id's digest: as many as rows come in the time that outcomes may take.
places = sa.Table(
    "tidegauge_rows",
    metadata,
    _stream(),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("reference", _NAME, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("start", sa.BigInteger, nullable=False),
    sa.Column("segment", _NAME, nullable=False),
    sa.Column("cells", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("came", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("stream", "digest", name="tidegauge_rows_key"),
    sa.Index("tidegauge_rows_at", "stream", "at"),
    sqlite_with_rowid=False,
)
