"""Records and opaque bytes, kept: in one SQLite file by default, in PostgreSQL where several machines write."""

from tidegauge.store.store import SqlStore, open_store
from tidegauge.store.transfer import copy_store

__all__ = ["SqlStore", "copy_store", "open_store"]
