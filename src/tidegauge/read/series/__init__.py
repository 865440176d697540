"""Ready series of product metrics, from a Prometheus, a database or a file, as points of one form."""

from tidegauge.read.faults import Fault
from tidegauge.read.series.failure import SeriesError
from tidegauge.read.series.point import Series, SeriesPoint
from tidegauge.read.series.prometheus import PrometheusSeries
from tidegauge.read.series.table import TableSeries

__all__ = ["Fault", "PrometheusSeries", "Series", "SeriesError", "SeriesPoint", "TableSeries"]
