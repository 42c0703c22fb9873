"""What the formats of outcomes share: documents as drafts, and what people write into a change for us. Pure.

Texts (descriptions, release notes) are looked through for references and trailers, and never kept.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from producers.dialect import Draft, Lines, Row, Skipped
from producers.dialects.documents import documents
from producers.dialects.values import Json, moment, name, within
from schemas.errors import Reason
from schemas.outcomes import in_order

_TRAILER = re.compile(r"^Burnline-(Task|Run|Session|Use-Case|Team|Project):[ \t]*(\S.*)", re.MULTILINE | re.IGNORECASE)
_LABEL = re.compile(r"(risk|use-case|team|project)\s*::?\s*(\S+)", re.IGNORECASE)


class Told(NamedTuple):
    """An outcome that a document tells; `revision` 0: as its time says, or the one that is set."""

    source: str
    id: str
    at: datetime | None
    data: dict[str, Any]
    revision: int = 0


def read_documents(lines: Lines, tell: Callable[[Json], Iterable[Told] | str]) -> Iterator[Row]:
    """The outcomes that `tell` finds in each JSON document; a text of it is why the document is none of the format."""
    for found in documents(lines):
        if isinstance(found, Skipped):
            yield found
            continue
        told = tell(found.value) if isinstance(found.value, dict) else "the document is no JSON object"
        if isinstance(told, str):
            yield Skipped(found.row, Reason.NOT_AN_EVENT, told)
            continue
        for one in told:
            data = {key: value for key, value in one.data.items() if value is not None}
            revision = one.revision or (0 if one.at is None else in_order(one.at))
            said = {"revision": revision} if revision else {}
            yield Draft(found.row, found.content, one.at, said | data, one.source, one.id)


def trailers(text: object) -> dict[str, str]:
    """Fields that lines like `Burnline-Task: SHOP-42` in a description say."""
    if not isinstance(text, str):
        return {}
    found = ((field.lower().replace("-", "_"), name(value.strip())) for field, value in _TRAILER.findall(text))
    return {field: value for field, value in found if value is not None}


def listed(value: object) -> list[Any]:
    """The elements of a list; none where it is no list."""
    return value if isinstance(value, list) else []


def labelled(labels: object, key: str) -> dict[str, str]:
    """Fields that labels like `risk: high` or `use-case::checkout` say; `key` is what holds a label's name."""
    texts = (within(label, key) for label in listed(labels))
    found = (match for text in texts if isinstance(text, str) and (match := _LABEL.fullmatch(text.strip())))
    return {match[1].lower().replace("-", "_"): match[2] for match in found}


def at_time(value: object) -> datetime | None:
    """The time that RFC 3339 or `2026-11-20 14:03:11 UTC` says; None where it says none."""
    if isinstance(value, str) and value.endswith(" UTC"):
        value = value.removesuffix(" UTC").replace(" ", "T") + "+00:00"
    at = moment(value)
    return None if at is None else at.astimezone(UTC)


def nameless(person: str | None) -> str:
    """What tells people apart in an id that does not name them; '' for nobody."""
    return "" if person is None else blake2b(person.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def as_number(value: object) -> int | None:
    """The number by which a code host calls a change; None where it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**12 else None
