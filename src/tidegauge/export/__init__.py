"""What other systems read of a store: metrics for Prometheus, and what goes with them."""
