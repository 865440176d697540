"""Event time to panes, panes to windows: pure functions of times, names and lengths."""
