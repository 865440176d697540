"""The sketch: linear pieces, samples by hash, and the codec."""
