"""Rebaselining: an explicit act of a person that puts another reference in force, and is recorded."""

from __future__ import annotations

from dataclasses import replace

from tidegauge.contracts import Store
from tidegauge.errors import MismatchError, UsageError
from tidegauge.monitor import Monitor
from tidegauge.records import Baseline, Event, StreamState
from tidegauge.reference import Reference
from tidegauge.run.settle import close
from tidegauge.spec import StreamSpec


def in_force(store: Store, state: StreamState) -> Reference:
    """The reference in force; ``UsageError`` where there is none yet."""
    if not state.reference:
        hint = f"Fit one on normal vectors ('tidegauge fit'), then say 'tidegauge rebaseline {state.stream} FILE'"
        raise UsageError(f"stream {state.stream}", got="no reference in force", want="one", hint=hint)
    return Reference.from_bytes(store.reference(state.reference), f"reference {state.reference[:12]} of the store")


def check_model(spec: StreamSpec, reference: Reference) -> None:
    """Refuse a reference of another model, or of another width, than the settings say."""
    what = f"stream {spec.name}, reference {reference.hash[:12]}"
    if spec.model_id and reference.model_id and spec.model_id != reference.model_id:
        hint = "Fit one on this model's vectors, or set model_id to what they come from"
        raise MismatchError(what, got=f"model {reference.model_id!r}", want=f"model {spec.model_id!r}", hint=hint)
    if spec.truncate is not None and spec.truncate != reference.width:
        raise MismatchError(what, got=f"width {reference.width}", want=f"width {spec.truncate}, as truncate says")


def rebaseline(
    store: Store, spec: StreamSpec, reference: Reference, *, at: float, by: str = "", why: str = ""
) -> Baseline | None:
    """Put a reference in force: what is open is closed under the one before, then the new one begins.

    Parameters
    ----------
    store : Store
    spec : StreamSpec
    reference : Reference
    at : float
        Epoch seconds by the clock.
    by, why : str
        Who did it and for what reason: kept with the reference.

    Returns
    -------
    Baseline or None
        None where this reference is in force already.

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
        if before.reference == reference.hash:
            return None
        if before.reference:
            close(desk, Monitor(spec, in_force(store, before)), at=at, whole=True)
            desk.drop([stored.id for stored in desk.parts()])
        baseline = Baseline(spec.name, reference.hash, at, by, why)
        kept = reference if spec.samples.keep else reference.without_samples()
        desk.rebase(baseline, kept.to_bytes())
        desk.update(replace(desk.state, settled=None, model="", version=desk.state.version + 1))
        said = f"Reference {reference.hash[:12]} came into force" + (f": {why}." if why else ".")
        desk.note(Event(spec.name, "rebaseline", at, said))
        return baseline
