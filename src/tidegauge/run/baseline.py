"""Rebaselining: an explicit act of a person that puts another reference in force, and is recorded."""

from __future__ import annotations

from dataclasses import replace

from tidegauge.alarm.policy import resolved
from tidegauge.contracts import Desk, Store
from tidegauge.deliver import messages
from tidegauge.errors import MismatchError, UsageError
from tidegauge.monitor import Monitor
from tidegauge.records import Baseline, Event, StreamState
from tidegauge.reference import Reference
from tidegauge.run.settle import close
from tidegauge.spec import Alarms, Pane, StreamSpec
from tidegauge.spec.length import Unit

_EVER = 10**15


def in_force(store: Store, state: StreamState) -> Reference:
    """The reference in force; ``UsageError`` where there is none yet."""
    if not state.reference:
        hint = f"Fit one on normal vectors ('tidegauge fit'), then say 'tidegauge rebaseline {state.stream} FILE'"
        raise UsageError(f"stream {state.stream}", got="no reference in force", want="one", hint=hint)
    return Reference.from_bytes(store.reference(state.reference), f"reference {state.reference[:12]} of the store")


def monitor_of(store: Store, spec: StreamSpec, state: StreamState) -> Monitor:
    """A stream's chain under the reference in force; refused where the settings cut it in other panes."""
    check_pane(spec, state)
    return Monitor(spec, in_force(store, state))


def check_model(spec: StreamSpec, reference: Reference) -> None:
    """Refuse a reference of another model, or of another width, than the settings say."""
    what = f"stream {spec.name}, reference {reference.hash[:12]}"
    if spec.model_id and reference.model_id and spec.model_id != reference.model_id:
        hint = "Fit one on this model's vectors, or set model_id to what they come from"
        raise MismatchError(what, got=f"model {reference.model_id!r}", want=f"model {spec.model_id!r}", hint=hint)
    if spec.truncate is not None and spec.truncate != reference.width:
        raise MismatchError(what, got=f"width {reference.width}", want=f"width {spec.truncate}, as truncate says")


def check_pane(spec: StreamSpec, state: StreamState) -> None:
    """Refuse settings that cut a stream in other panes than its windows are kept in."""
    if is_cut_otherwise(spec, state):
        hint = f"Set pane back, or close what is open and begin anew with 'tidegauge rebaseline {spec.name} REF'"
        got, want = f"panes of {spec.pane} in the settings", f"{state.pane}, as its windows are kept"
        raise UsageError(f"stream {spec.name}", got=got, want=want, hint=hint)


def is_cut_otherwise(spec: StreamSpec, state: StreamState) -> bool:
    """Whether a stream is kept in other panes than the settings say."""
    return bool(state.pane) and state.pane != _cut(spec)


def as_kept(spec: StreamSpec, state: StreamState) -> StreamSpec:
    """Settings by which a stream is read, and what is open closed, in the panes in which it is kept.

    Of the longer windows those remain that can be made of these panes; nothing expires, as retention is said for other
    lengths.
    """
    if not is_cut_otherwise(spec, state):
        return spec
    pane = Pane.parse(state.pane)
    fit = pane.unit == spec.pane.unit
    windows = tuple(each for each in spec.windows if fit and each > pane.length and each % pane.length == 0)
    return spec.model_copy(update={"pane": pane, "windows": windows, "keep": {0: _EVER}})


def _cut(spec: StreamSpec) -> str:
    return "" if spec.kind == "snapshot" else str(spec.pane)


def rebaseline(
    store: Store,
    spec: StreamSpec,
    reference: Reference,
    *,
    at: float,
    by: str = "",
    why: str = "",
    alarms: Alarms | None = None,
) -> Baseline | None:
    """Put a reference in force: what is open is closed under the one before, then the new one begins.

    Alarms that last are resolved, as they speak of the reference before; that rows stay away is none of its business.

    The same reference again begins anew where the settings cut the stream in other panes than it is kept in.

    Parameters
    ----------
    store : Store
    spec : StreamSpec
    reference : Reference
    at : float
        Epoch seconds by the clock.
    by, why : str
        Who did it and for what reason: kept with the reference.
    alarms : Alarms, optional
        Whom to tell that alarms are resolved; nobody where None.

    Returns
    -------
    Baseline or None
        None where this reference is in force already, and panes are as they were.

    Raises
    ------
    MismatchError
        Where the reference is of another model than the settings say.
    UsageError
        Where another process leads the stream at the moment.
    """
    check_model(spec, reference)
    store.register(spec.name, spec.kind)
    with store.leading(spec.name) as desk:
        if desk is None:
            raise UsageError(f"stream {spec.name}", got="another process at it", want="it free", hint="Try again")
        before = desk.state
        recut = is_cut_otherwise(spec, before)
        if before.reference == reference.hash and not recut:
            return None
        if before.reference:
            close(desk, Monitor(as_kept(spec, before), in_force(store, before)), at=at, whole=True)
            desk.drop([stored.id for stored in desk.parts()])
            _resolve(desk, spec, reference, alarms or Alarms(), at=at, by=by, why=why)
        baseline = Baseline(spec.name, reference.hash, at, by, why)
        kept = reference if spec.samples.keep else reference.without_samples()
        desk.rebase(baseline, kept.to_bytes())
        version = desk.state.version + 1
        desk.update(replace(desk.state, settled=None, model="", pane=_cut(spec), version=version))
        said = f"Reference {reference.hash[:12]} came into force"
        said += f", with panes of {spec.pane} in place of {before.pane}" if recut else ""
        said += f": {why}." if why else "."
        desk.note(Event(spec.name, "rebaseline", at, said))
        return baseline


def _resolve(
    desk: Desk, spec: StreamSpec, reference: Reference, settings: Alarms, *, at: float, by: str, why: str
) -> None:
    """Resolve what lasts under the reference before, and tell of it."""
    because = f"Reference {reference.hash[:12]} came into force" + (f": {why}" if why else "")
    unit: Unit = "rows" if desk.state.pane.endswith("rows") else "seconds"
    for alarm in desk.alarms(lasting=True):
        if alarm.kind != "silence" or is_cut_otherwise(spec, desk.state):
            last = max(alarm.updated, alarm.opened, desk.state.settled or 0)
            over = resolved(alarm, last, by=by, why=because)
            desk.raise_alarm(over)
            desk.send(messages(over, "resolved", settings, now=at, unit=unit))
