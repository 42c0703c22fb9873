"""What we keep: tables, rows, the writer, reconciliation and queries."""
