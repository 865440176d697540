"""Tallies, calibrations, alarms, annotations, and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _stream() -> sa.Column[str]:
    return sa.Column("stream", _NAME, sa.ForeignKey("tidegauge_streams.stream"), nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tidegauge_tallies",
        _stream(),
        sa.Column("reference", _NAME, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("segment", _NAME, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("moment", sa.Double),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("stream", "reference", "length", "segment", "start", name="tidegauge_tallies_key"),
    )
    op.create_index("tidegauge_tallies_ends", "tidegauge_tallies", ["stream", "length", "ends"])
    op.create_table(
        "tidegauge_calibrations",
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
    op.create_table(
        "tidegauge_alarms",
        sa.Column("alarm", _NAME, primary_key=True),
        _stream(),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("resolved", sa.BigInteger),
        sa.Column("said", sa.Text, nullable=False),
    )
    op.create_index("tidegauge_alarms_opened", "tidegauge_alarms", ["stream", "opened"])
    op.create_table(
        "tidegauge_annotations",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("stream", _NAME, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("alarm", _NAME, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("tidegauge_annotations_since", "tidegauge_annotations", ["stream", "since"])
    op.create_table(
        "tidegauge_outbox",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        _stream(),
        sa.Column("endpoint", _NAME, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("alarm", _NAME, nullable=False),
        sa.Column("change", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("due", sa.Double, nullable=False),
        sa.Column("tries", sa.BigInteger, nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
        sa.Column("delivered", sa.Double),
        sa.UniqueConstraint("endpoint", "digest", name="tidegauge_outbox_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("tidegauge_outbox_due", "tidegauge_outbox", ["delivered", "due"])
    op.create_index("tidegauge_outbox_alarm", "tidegauge_outbox", ["endpoint", "alarm"])
