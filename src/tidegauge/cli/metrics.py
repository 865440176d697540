"""``tidegauge metrics``: what the store says, as metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidegauge.cli import options
from tidegauge.cli.monitored import opened
from tidegauge.cli.output import busy, emit, note, progress
from tidegauge.errors import UsageError

NAME = "metrics"
HELP = options.help_text(
    "Print what the store says of the settings' streams, as metrics for Prometheus; or write them into a file for "
    "node_exporter's textfile collector, or push them to a Pushgateway, for those who run tidegauge by cron. Nothing "
    "is written to the store. 'tidegauge serve' tells the same at /metrics.",
    "tidegauge metrics",
    "tidegauge metrics --textfile /var/lib/node_exporter/tidegauge.prom",
    "tidegauge metrics --push http://pushgateway:9091 --job nightly",
)


def command(
    textfile: Annotated[
        Path | None,
        typer.Option("--textfile", metavar="PATH", help="Write them here, whole or not at all; ends in .prom."),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option("--push", metavar="URL", help="Push them to this Pushgateway, in place of the job's last ones."),
    ] = None,
    job: Annotated[
        str, typer.Option("--job", metavar="NAME", help="Name of the job at the Pushgateway.")
    ] = "tidegauge",
    openmetrics: Annotated[
        bool, typer.Option("--openmetrics", help="Print OpenMetrics in place of Prometheus' own text.")
    ] = False,
    config: options.Config = None,
) -> None:
    """Print metrics, write them, or push them."""
    from tidegauge.export.exposition import push as push_to
    from tidegauge.export.exposition import require, text, write_textfile

    if openmetrics and (textfile is not None or push is not None):
        want = "none of --textfile and --push, which take Prometheus' own text"
        raise UsageError("--openmetrics", got="another way out", want=want)
    require()
    from tidegauge.export.collector import Collector

    with opened(config) as at:
        collector = Collector(at.store, at.spec)
        with progress() as bar:
            busy(bar, "Looking at links")
            collector.refresh_links()
        if textfile is not None:
            write_textfile(collector, textfile)
        if push is not None:
            push_to(collector, push, job)
        if textfile is None and push is None:
            emit(text(collector, openmetrics=openmetrics))
    for stream, fault in collector.faults.items():
        note(f"stream {stream} could not be read whole: {fault}")
