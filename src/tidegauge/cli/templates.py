"""``tidegauge templates``: a dashboard, rules, and what it takes to deploy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.output import check_folder, emit_paths, writing
from tidegauge.errors import DataError, UsageError

NAME = "templates"
HELP = options.help_text(
    "Write a dashboard for Grafana, rules for Prometheus with their unit tests, settings of Prometheus and "
    "Alertmanager, a systemd unit, and a Dockerfile with a compose file. Their README says how each is used.\n\n"
    "A file that is there and differs is left alone, and so are all others, unless --force is said.",
    "tidegauge templates --out monitoring",
    "tidegauge templates --out monitoring --docs https://docs.example.org/tidegauge --force",
)


def command(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write into.")],
    docs: Annotated[
        str, typer.Option("--docs", metavar="URL", help="Where dashboard.md and runbook.md are found, for links.")
    ] = "docs",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
) -> None:
    """Write every template, or none."""
    from tidegauge.export.deployment import templates
    from tidegauge.report.files import replace_file

    if not re.fullmatch(r"[!-~]{1,500}", docs):
        raise UsageError("--docs", got=repr(docs[:80]), want="an address or a path, without spaces")
    check_folder(out)
    texts = {out / path: text.encode() for path, text in templates(docs.rstrip("/")).items()}
    different = [path for path, data in texts.items() if _differs(path, data)]
    there = [path for path in different if path.exists()]
    if there and not force:
        raise UsageError(
            str(out),
            got=f"files that differ: {', '.join(path.relative_to(out).as_posix() for path in there)}",
            want="a folder without them",
            hint="Say --force to overwrite them",
        )
    for path in different:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, texts[path])
    emit_paths(texts)


def _differs(path: Path, data: bytes) -> bool:
    """Whether a file has to be written; one that cannot be read, or is no file, is refused."""
    try:
        return path.read_bytes() != data
    except FileNotFoundError:
        return True
    except OSError as error:
        raise DataError(str(path), got=error.strerror or str(error), want="a file, or none") from error
