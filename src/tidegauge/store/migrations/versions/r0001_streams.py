"""Streams, references, batches, positions, parts, windows and events."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _stream(*, key: bool = False) -> sa.Column[str]:
    return sa.Column("stream", _NAME, sa.ForeignKey("tidegauge_streams.stream"), primary_key=key, nullable=False)


def _id() -> sa.Column[int]:
    return sa.Column("id", _ID, primary_key=True, autoincrement=True)


def _pane() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("reference", _NAME, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("segment", _NAME, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
    )


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tidegauge_streams",
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
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("pane", sa.Text, nullable=False),
    )
    op.create_table(
        "tidegauge_references",
        sa.Column("reference", _NAME, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "tidegauge_baselines",
        _id(),
        _stream(),
        sa.Column("reference", _NAME, sa.ForeignKey("tidegauge_references.reference"), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("tidegauge_baselines_stream", "tidegauge_baselines", ["stream"])
    op.create_table(
        "tidegauge_batches",
        _stream(key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("latest", sa.Double, nullable=False),
    )
    op.create_index("tidegauge_batches_latest", "tidegauge_batches", ["stream", "latest"])
    op.create_table(
        "tidegauge_positions",
        _stream(key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
    )
    op.create_table(
        "tidegauge_parts",
        _id(),
        _stream(),
        *_pane(),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("tidegauge_parts_ends", "tidegauge_parts", ["stream", "ends"])
    op.create_table(
        "tidegauge_windows",
        _id(),
        _stream(),
        *_pane(),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("data", sa.LargeBinary),
        sa.UniqueConstraint("stream", "reference", "length", "start", "segment", name="tidegauge_windows_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("tidegauge_windows_start", "tidegauge_windows", ["stream", "length", "start"])
    op.create_table(
        "tidegauge_events",
        _id(),
        _stream(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("until", sa.Double),
        sa.Column("said", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("tidegauge_events_at", "tidegauge_events", ["stream", "at"])
