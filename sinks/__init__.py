"""What we keep: every rated event and every conclusion exactly once in ClickHouse, and the views that analysts read."""
