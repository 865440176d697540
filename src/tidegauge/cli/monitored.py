"""What the commands of monitoring share: settings, the store that they name, and streams in it."""

from __future__ import annotations

import getpass
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tidegauge.errors import DataError, UsageError

if TYPE_CHECKING:
    from tidegauge.monitor import Monitor
    from tidegauge.records import StreamState
    from tidegauge.run import Recorder
    from tidegauge.spec import Spec, StreamSpec
    from tidegauge.store import SqlStore


class Opened(NamedTuple):
    """Settings, and the store that they name."""

    spec: Spec
    store: SqlStore

    def stream(self, name: str) -> StreamSpec:
        """The settings of a stream."""
        return stream_of(self.spec, name)

    def state(self, name: str) -> StreamState:
        """Where a stream stands; ``UsageError`` where nothing was recorded of it yet."""
        self.stream(name)
        state = next((state for state in self.store.streams() if state.stream == name), None)
        if state is None:
            hint = "'tidegauge watch', 'observe' and 'backfill' record it"
            raise UsageError(f"stream {name}", got=f"nothing of it in {self.store.name}", want="its history", hint=hint)
        return state

    def monitor(self, name: str) -> Monitor:
        """A stream's chain under the reference in force."""
        from tidegauge.run.baseline import monitor_of

        return monitor_of(self.store, self.stream(name), self.state(name))


def settings(config: Path | None) -> Spec:
    """Read the settings."""
    from tidegauge.spec import load_spec

    return load_spec(config)


@contextmanager
def opened(config: Path | None, *, make: bool = False) -> Generator[Opened]:
    """Read the settings, and open the store while inside; one that is not there is made only where ``make``."""
    from tidegauge.store import open_store

    spec = settings(config)
    if not make and not store_is_there(spec.store):
        hint = "'tidegauge watch', 'observe' and 'backfill' make it"
        raise DataError(file_of(spec.store), got="no store there", want="a store", hint=hint)
    store = open_store(spec.store)
    try:
        yield Opened(spec, store)
    finally:
        store.close()


def store_is_there(url: str) -> bool:
    """Whether a store can be opened without making it; what a server has only connecting would tell."""
    path = file_of(url)
    return not path or Path(path).exists()


def file_of(url: str) -> str:
    """The path of a SQLite store; nothing where a server keeps it."""
    from tidegauge.store.address import parse

    address = parse(url)
    return "" if address.postgres else str(address.url.database)


def stream_of(spec: Spec, name: str) -> StreamSpec:
    """The settings of a stream; ``UsageError`` names those that there are."""
    if name not in spec.streams:
        known = ", ".join(spec.streams) or "none"
        raise UsageError("stream", got=repr(name), want=f"one of the settings' streams: {known}")
    return spec.streams[name]


def recorder_of(at: Opened, stream: StreamSpec, *, ignore_model_id: bool = False, quiet: bool = False) -> Recorder:
    """Open a stream for recording; where models are ignored, it is not said which one its vectors come from.

    ``quiet``: alarms that are opened are kept, and nobody is told of them.
    """
    from tidegauge.run import Recorder
    from tidegauge.run.alarms import sharing

    asked = stream.model_copy(update={"model_id": ""}) if ignore_model_id else stream
    recorder = Recorder(at.store, asked, alarms=at.spec.alarms, streams=sharing(at.spec), quiet=quiet)
    recorder.monitor()  # without a reference in force nothing can be recorded: that shows before any row is read
    return recorder


def note_waiting(at: Opened) -> None:
    """Say that messages wait, to one whose command sends none."""
    from tidegauge.cli.output import note

    if at.spec.alarms.endpoints and at.store.messages(waiting=True, newest=1):
        note("messages of alarms wait: a 'tidegauge watch' that runs sends them, or 'tidegauge deliver --once'")


def login() -> str:
    """The login name; nothing where the system does not know it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
