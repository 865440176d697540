"""tidegauge measures how far embeddings have drifted from a reference."""
