"""Texts as files of settings, and all that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tidegauge.errors import UsageError
from tidegauge.spec import Spec, load_spec

Load = Callable[..., Spec]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Load a text, as a file of this folder, under an environment of its own."""
    monkeypatch.chdir(tmp_path)

    def call(text: str | bytes, environ: Mapping[str, str] | None = None, *, name: str = "tidegauge.toml") -> Spec:
        Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
        return load_spec(Path(name), environ or {})

    return call


def faults(load: Load, text: str, environ: Mapping[str, str] | None = None, **more: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(text, environ, **more)
    return [str(each) for each in getattr(caught.value, "faults", [caught.value])]
