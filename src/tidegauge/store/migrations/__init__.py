"""The revisions of the store's schema, which alembic runs; a revision that was released is never edited."""
