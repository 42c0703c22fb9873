"""First on the path of the processes of a stack that is to be broken; in any other process it is not there."""

import os

_NAME = os.environ.get("FAULTS_MUTANT")
if _NAME:
    from tests.faults.mutants import install

    install(_NAME)
