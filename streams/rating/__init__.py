"""Rating: from raw records to priced rows, sums and dead letters; no state but the duplicate window."""
