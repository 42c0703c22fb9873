"""What the work is for: fields that every call inside a `with task(...)` carries, in this thread or asyncio task.

    with burnline_client.task(run="nightly-42", purpose="triage", use_case="support"):
        client.chat.completions.create(...)

Tasks may be nested: the inner one wins, field by field; tags are joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from burnline_client.errors import InvalidUsageError
from burnline_client.fields import KNOWN, UsageFields

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

_NOTHING: Mapping[str, Any] = {}
_tasks: ContextVar[tuple[Mapping[str, Any], ...]] = ContextVar("burnline_tasks", default=(_NOTHING,))


def checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not None; each is one that an event may have.

    Raises: InvalidUsageError: a field is unknown, of the wrong type or out of its bounds.
    """
    said = {name: value for name, value in fields.items() if value is not None}
    unknown = said.keys() - KNOWN
    if unknown:
        raise InvalidUsageError(f"{', '.join(sorted(unknown))}: no such field; put labels of your own into tags")
    try:
        for name, value in said.items():
            msgspec.convert({name: value}, UsageFields)
    except msgspec.ValidationError as error:
        raise InvalidUsageError(str(error)) from error
    return said


def joined(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Both; the inner one wins, and tags are joined."""
    fields = {**outer, **inner}
    if "tags" in outer and "tags" in inner:
        fields["tags"] = {**outer["tags"], **inner["tags"]}
    return fields


def current() -> Mapping[str, Any]:
    """The fields of the tasks that this thread, or asyncio task, is in."""
    return _tasks.get()[-1]


class task:  # noqa: N801  reads as a word: with task(run=...)
    """Calls inside the `with` block carry these fields.

    Raises: InvalidUsageError: a field is unknown, of the wrong type or out of its bounds.
    """

    def __init__(self, **fields: Unpack[UsageFields]) -> None:
        self._own = checked(fields)

    def __enter__(self) -> Self:
        tasks = _tasks.get()
        _tasks.set((*tasks, joined(tasks[-1], self._own)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _tasks.set(_tasks.get()[:-1] or (_NOTHING,))
