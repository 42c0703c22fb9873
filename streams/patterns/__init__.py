"""Patterns: what single events tell and sums do not. Runs that go round, stolen keys, data where it must not be.

`stage.py` is what lanes run, `engine.py` the order of one message, `state.py` what is remembered; each rule is a file.
"""
