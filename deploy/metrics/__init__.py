"""How a stack does in numbers that Prometheus reads."""
