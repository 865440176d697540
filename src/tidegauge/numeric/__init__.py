"""Pure functions on arrays: no state, no I/O, no knowledge of the floors above."""
