"""What a worker imports and never uses: Faust's web client, and structlog's console.

Faust names aiohttp's session as the type of a setting, and at its import aiohttp makes a TLS context out of all
certificate authorities; structlog tries rich, to colour tracebacks. A sixth of a worker's start was spent on these.
"""

import sys
from types import ModuleType
from typing import Any

from schemas.errors import FatalError


class ClientSession:
    """Stands where Faust looks for aiohttp's; nobody makes one, because our workers have no web."""

    def __init__(self, *_arguments: Any, **_keywords: Any) -> None:  # noqa: ANN401  whatever aiohttp takes
        """Raises: FatalError: always."""
        raise FatalError("a stream worker has no web client")


def refuse_unused() -> None:
    """From now on this process imports neither aiohttp nor rich; to be called before Faust and structlog are imported.

    Whoever has imported them before keeps them.
    """
    if "aiohttp" not in sys.modules:
        web, client = ModuleType("aiohttp"), ModuleType("aiohttp.client")
        client.ClientSession = ClientSession  # type: ignore[attr-defined]  # a stand-in for a module
        web.client = client  # type: ignore[attr-defined]  # as above
        sys.modules |= {"aiohttp": web, "aiohttp.client": client}
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # Python's own way to say that there is none
