"""From a file and the environment to settings, or to all that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from tidegauge.spec.environment import override
from tidegauge.spec.fault import SpecError
from tidegauge.spec.file import find_file, read_tables
from tidegauge.spec.model import Spec
from tidegauge.spec.wording import worded


def load_spec(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Spec:
    r"""Read what to monitor from one file, and put the variables of the environment in place of its settings.

    Parameters
    ----------
    path : Path, optional
        A TOML or YAML file; without it, the only one of ``tidegauge.toml``, ``.yaml`` and ``.yml`` that is here.
        Relative paths in it are relative to its folder.
    environ : mapping of str to str, optional
        The environment, ``os.environ`` by default.

    Returns
    -------
    Spec, with absolute paths.

    Raises
    ------
    UsageError
        Where there is no file, its syntax is broken, or a setting cannot be used: then a ``SpecError`` with all faults.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "tidegauge.toml"
    ...     _ = file.write_text("[streams.queries]\npane = '1h'")
    ...     spec = load_spec(file, {"TIDEGAUGE_STREAMS__QUERIES__PANE": "5m"})
    >>> str(spec.streams["queries"].pane)
    '5m'
    """
    path = find_file() if path is None else path
    tables, by, faults = override(read_tables(path), os.environ if environ is None else environ)
    try:
        spec = Spec.model_validate(tables, context={"folder": path.parent.resolve()})
    except ValidationError as error:
        raise SpecError([*faults, *worded(error, str(path), by)]) from None
    if faults:
        raise SpecError(faults)
    return spec
