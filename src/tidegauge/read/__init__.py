"""Files to gated batches: NumPy, Parquet, Arrow, CSV and JSON lines; one file, a directory, or a glob."""

from tidegauge.read.files import Files, expand, open_source, read_all

__all__ = ["Files", "expand", "open_source", "read_all"]
