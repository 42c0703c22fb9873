"""First on the path of the processes of a stack that is to be broken; in any other process it is not there."""

from tests.faults.install import install

install()
