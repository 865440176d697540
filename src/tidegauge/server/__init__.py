"""The service: rows and outcomes come in by HTTP, and what was found goes out as JSON, pages and metrics."""
