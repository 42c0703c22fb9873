"""Every error of clickhouse-connect has one meaning here."""

import inspect

import pytest
from clickhouse_connect.driver import exceptions

from schemas.errors import FatalError, StoreUnavailableError
from sinks.store import translated

OURS = {exceptions.ProgrammingError, exceptions.DataError, exceptions.NotSupportedError, exceptions.StreamClosedError}
ALL = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, exceptions.Error)]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: str(kind.__name__))
def test_every_error_of_the_driver_is_translated(kind: type[exceptions.Error]) -> None:
    """What the driver refuses ends the process, everything else may pass; the message is one line."""
    expected = FatalError if kind in OURS else StoreUnavailableError
    error = exceptions.StreamClosedError() if kind is exceptions.StreamClosedError else kind("first line\nsecond line")
    with pytest.raises(expected, match=r"^[^\n]+$"), translated():
        raise error
