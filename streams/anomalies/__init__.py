"""Anomalies: what is not normal for who spends it. Pure; state is arrays, time is an argument.

Laws
1. Strictly causal: what is said at a moment is the same without what came later.
2. Idle says nothing about how much a spender spends when it spends; it has a detector of its own.
3. What is strange is measured against all that was seen: a range cannot collapse as a scale does.
"""
