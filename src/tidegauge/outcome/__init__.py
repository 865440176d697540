"""Outcomes: what product metrics did, and whether drift goes with it."""
