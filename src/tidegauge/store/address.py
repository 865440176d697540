"""Where a store is: a path or a URL, and how it is said without its password."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from tidegauge.errors import DataError, UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_MAGIC = b"SQLite format 3\x00"
_WANT = "a path, sqlite:///path or postgresql://user@host/database"


@dataclass(frozen=True, slots=True)
class Address:
    """A store's address: the URL for the driver, and the name for people, which holds no password."""

    url: sa.URL
    name: str

    @property
    def postgres(self) -> bool:
        """Whether a server keeps it, not a file."""
        return self.url.get_backend_name() == "postgresql"


def parse(text: str) -> Address:
    """Understand a path or a URL.

    Raises
    ------
    UsageError
        Where it is no address of a store that lasts.

    Examples
    --------
    >>> parse("runs/drift.db").name
    'runs/drift.db'
    >>> parse("postgres://tide:secret@db.example/drift").name
    'postgresql://tide:***@db.example/drift'
    >>> parse("mysql://db.example/drift")
    Traceback (most recent call last):
    tidegauge.errors.UsageError: store: got mysql://db.example/drift, want a path, sqlite:///path or \
postgresql://user@host/database
    """
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _file(text, text)
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise UsageError("store", got=masked(text), want=_WANT) from None
    kind = scheme[1].lower()
    if kind == "sqlite" and not url.query and not url.host:
        return _file(url.database or "", text)
    if kind in {"postgres", "postgresql", "postgresql+psycopg"}:
        secret = {key: "***" for key in url.query if "pass" in key.lower()}
        shown = url.set(drivername="postgresql").update_query_dict(secret).render_as_string(hide_password=True)
        return Address(url.set(drivername="postgresql+psycopg"), shown)
    raise UsageError("store", got=masked(text), want=_WANT)


def masked(text: str, url: sa.URL | None = None) -> str:
    """Return a URL, even one that cannot be parsed, or what was said of `url`, without the password.

    Examples
    --------
    >>> masked("postgresql://tide:s3:c/ret@db:port/drift?password=x&sslmode=require")
    'postgresql://tide:***@db:port/drift?password=***&sslmode=require'
    >>> masked("no entry for s3cret", sa.make_url("postgresql://tide:s3cret@db/drift"))
    'no entry for ***'
    """
    if url is not None and url.password:
        text = text.replace(str(url.password), "***")
    text = re.sub(r"//([^:/@]*):.*@", r"//\1:***@", text, flags=re.DOTALL)
    return re.sub(r"(pass\w*=)[^&\s]*", r"\1***", text, flags=re.IGNORECASE)


def check_file(path: Path) -> None:
    """Refuse a path where no SQLite store is, nor can be made.

    Raises
    ------
    DataError
        For a folder, a missing folder, a file of another kind, or where permission is missing.
    """
    name, want = str(path), "a SQLite file that can be read and written, or a place for a new one"
    effective = os.access in os.supports_effective_ids
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DataError(name, got="a folder", want=want)
        if not stat.S_ISREG(mode):
            raise DataError(name, got="no regular file", want=want)
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
        if head and head != _MAGIC:
            raise DataError(name, got="a file that is no SQLite database", want=want)
        if not os.access(path, os.W_OK, effective_ids=effective):
            raise DataError(name, got="no permission to write it", want=want)
    except FileNotFoundError:
        if not path.parent.is_dir():
            hint = f"Make the folder {path.parent} first"
            raise DataError(name, got="a folder that is not there", want=want, hint=hint) from None
    except PermissionError:
        raise DataError(name, got="no permission to read it", want=want) from None
    except OSError as error:
        raise DataError(name, got=error.strerror or "an error", want=want) from None
    # SQLite keeps its log beside the file, so that the folder must be writable too.
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=effective):
        raise DataError(name, got="no permission to write into its folder", want=want)


def _file(path: str, text: str) -> Address:
    if not path or path == ":memory:" or "\x00" in path:
        raise UsageError("store", got=repr(text), want=_WANT)
    return Address(sa.URL.create("sqlite", database=os.path.abspath(path)), path)
