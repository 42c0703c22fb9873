"""What budgets would have said if old events had come when they happened: burn's own code over the ledger's sums."""
