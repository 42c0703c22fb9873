"""What is wrong with a request, as RFC 9457 says it: JSON with a sentence that names what to do. Pure."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818  a verdict on a request, not a fault of ours
    """A request that is not carried out; `more` stands beside the detail."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def body(self) -> bytes:
        """The problem as JSON."""
        said = {"type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status}
        return msgspec.json.encode({**said, "detail": str(self), **self.more})


def away(detail: str) -> Problem:
    """503: nothing was lost, and the same request succeeds later."""
    return Problem(503, detail, headers={"Retry-After": "5"})


def busy(detail: str) -> Problem:
    """429: the same request succeeds when others have ended."""
    return Problem(429, detail, headers={"Retry-After": "1"})
