"""Every format that `burnline replay` reads, by name."""

from producers import azure_llm, burnline_lines
from producers.dialect import Dialect
from schemas.errors import InputError

FORMATS: dict[str, Dialect] = {module.DIALECT.name: module.DIALECT for module in (burnline_lines, azure_llm)}


def dialect(name: str) -> Dialect:
    """The dialect of that name.

    Raises: InputError: there is none; the message lists them.
    """
    if name not in FORMATS:
        raise InputError(f"format {name!r} is not known; known are {', '.join(sorted(FORMATS))}")
    return FORMATS[name]
