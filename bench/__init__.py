"""Is it fast and small? Ratios within one run; see ``python -m bench --help``."""
