"""Clusters that are followed, and their shares."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tidegauge_clusters",
        sa.Column("stream", _NAME, sa.ForeignKey("tidegauge_streams.stream"), primary_key=True),
        sa.Column("reference", _NAME, primary_key=True),
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("born", sa.BigInteger, nullable=False),
        sa.Column("gone", sa.BigInteger),
        sa.Column("absent", sa.BigInteger, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("centre", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "tidegauge_shares",
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
