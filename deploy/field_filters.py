"""Filters as people write them on a command line: FIELD=VALUE."""

from collections.abc import Collection, Iterable

from schemas.errors import InputError


def field_filters(texts: Iterable[str], fields: Collection[str], *, flag: str = "--where") -> dict[str, str]:
    """The value that each named field must have; of a field named twice the last one. Raises: InputError."""
    filters = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in fields:
            raise InputError(f"{flag} {text}: write FIELD=VALUE, with a field of {', '.join(fields)}")
        filters[name] = value
    return filters
