"""Scores: pure functions of (basis, window sums, reference sums), the panel, and the headline number."""
