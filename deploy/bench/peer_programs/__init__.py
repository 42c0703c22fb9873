"""One job, written for each peer as its documentation recommends; run in an environment of their own.

What is here imports no room and nothing of Burnline's packages: `burnline bench peers` starts it with the interpreter
of an environment that has the peers of `requirements.lock` only.
"""
