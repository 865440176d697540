"""What outcomes were, and where rows were counted whose outcomes come late."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _stream() -> sa.Column[str]:
    return sa.Column("stream", _NAME, sa.ForeignKey("tidegauge_streams.stream"), nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tidegauge_outcomes",
        _stream(),
        sa.Column("reference", _NAME, nullable=False),
        sa.Column("length", sa.BigInteger, nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("segment", _NAME, nullable=False),
        sa.Column("outcome", _NAME, nullable=False),
        sa.Column("numerator", sa.Double, nullable=False),
        sa.Column("denominator", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint(
            "stream", "length", "outcome", "segment", "reference", "start", name="tidegauge_outcomes_key"
        ),
    )
    op.create_index("tidegauge_outcomes_ends", "tidegauge_outcomes", ["stream", "length", "ends"])
    op.create_table(
        "tidegauge_rows",
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
        sqlite_with_rowid=False,
    )
    op.create_index("tidegauge_rows_at", "tidegauge_rows", ["stream", "at"])
