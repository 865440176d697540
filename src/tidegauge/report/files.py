"""Files that are never half-written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, data: bytes) -> Path:
    """Write ``data`` beside ``path`` under a temporary name, then put it in place in one step.

    Parameters
    ----------
    path : Path
        Where the file goes; its folder must exist. A file that is there already is replaced.
    data : bytes
        The whole content.

    Returns
    -------
    Path
        ``path``.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes files for their owner alone; a report is for whoever may read the folder.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
