"""Why spend changed: two periods as sums of calls alike, and the exact bridge between them. Pure."""
