"""Burn: from sums to rates, budgets, anomalies and alert episodes; state is a pure function of its log."""
