"""Sources that grow: a folder, standard input, or a table of a database, as one `Feed` each."""

from tidegauge.read.feeds.open import open_feed

__all__ = ["open_feed"]
