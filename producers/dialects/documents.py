"""JSON documents out of lines: one per line, elements of an array, objects over many lines, server-sent events. Pure.

Laws
1. Every document, in the order of the file, is one Document; what is no JSON is one Skipped where it begins.
2. A broken document hides nothing: the next line that is a whole object of its own is read. No message quotes it: it
   may hold a prompt.
3. `data:` of server-sent events is read, their other fields and `[DONE]` are passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from producers.dialect import Lines, Skipped
from producers.dialects.long_document import LongDocument, Waste
from schemas.errors import Reason

_EVENT_STREAM = re.compile(r"(?:event|id|retry):|:")
_NO_END = "the document that begins here has no end"


class Document(NamedTuple):
    """A JSON value; `row` is the line where it begins, `content` what identities are made of, if it has none."""

    row: int
    content: str
    value: object


def documents(
    lines: Lines, *, needles: tuple[str, ...] = (), row_type: type[msgspec.Struct] | None = None
) -> Iterator[Document | Skipped]:
    """Every document; with needles, a line that is an object of its own and holds none of them is passed over.

    With `row_type`, such a line is one of these where it can be: fields that the type does not have are not looked at.
    """
    long, decoder = LongDocument(), msgspec.json.Decoder(row_type or Any)
    for row, line in enumerate(lines, start=1):
        if line[:1] == "{" and line[-2:] == "}\n" and not long.is_open:  # nearly every line
            if needles and not _holds(line, needles):
                continue
            value = _whole(line, decoder)
            if value is not None:
                yield Document(row, line[:-1], value)
                continue
        text = line.strip().removeprefix("\ufeff")
        if long.depth and line[:1] == "{" and isinstance(value := _decoded(text), dict):
            yield Skipped(long.row, Reason.INVALID_JSON, _NO_END)
            yield Document(row, text, value)
            long = LongDocument()
        elif long.is_open:
            yield from _ended(long, row, line)
        elif text := _payload(text, needles):
            yield from _begun(long, row, text)
    if long.is_open:
        yield Skipped(long.row, Reason.INVALID_JSON, _NO_END)


def _whole(line: str, decoder: msgspec.json.Decoder[Any]) -> object:
    """The value of a line that is an object, None where it is none of the decoder's."""
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def _begun(long: LongDocument, row: int, text: str) -> Iterator[Document | Skipped]:
    """What a text tells that stands in no document: values, the begin of a long document, or nothing of use."""
    value = _decoded(text)
    if not isinstance(value, _Broken):
        yield from _each(row, text, value)
    elif text[0] in "{[" and not value.is_final:
        yield from _ended(long, row, text)
    else:
        yield Skipped(row, value.reason, value.message)


def _payload(text: str, needles: tuple[str, ...]) -> str:
    """What is to be read of a line; empty if nothing is."""
    if _EVENT_STREAM.match(text):
        return ""
    text = text.removeprefix("data:").lstrip()
    is_whole = text[:1] == "{" and text[-1:] == "}"
    if text == "[DONE]" or (is_whole and needles and not _holds(text, needles)):
        return ""
    return text


def _holds(text: str, needles: tuple[str, ...]) -> bool:
    for needle in needles:  # noqa: SIM110  three times as fast as any(...) of a generator, at every line
        if needle in text:
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Broken:
    reason: Reason
    message: str
    is_final: bool = False


def _decoded(text: str) -> object:
    """The value, or why it is none."""
    try:
        return msgspec.json.decode(text)
    except UnicodeEncodeError:
        return _Broken(Reason.INVALID_UTF8, "not UTF-8", is_final=True)
    except RecursionError:
        return _Broken(Reason.INVALID_JSON, "nested too deeply", is_final=True)
    except msgspec.DecodeError as error:
        return _Broken(Reason.INVALID_JSON, str(error))


def _ended(long: LongDocument, row: int, line: str) -> Iterator[Document | Skipped]:
    """What ends in this line of a document over many."""
    for found in long.take(row, line):
        if isinstance(found, Waste):
            reason = Reason.INVALID_JSON if found.cut else Reason.NOT_AN_EVENT
            said = f"a text in line {row} has no end" if found.cut else "what stands here is no JSON object"
            yield Skipped(found.row, reason, said)
            continue
        value = _decoded(found.text)
        if isinstance(value, _Broken):
            yield Skipped(found.row, value.reason, value.message)
        else:
            yield Document(found.row, found.text, value)


def _each(row: int, content: str, value: object) -> Iterator[Document]:
    """The document, or those in it if it is an array."""
    if not isinstance(value, list):
        yield Document(row, content, value)
        return
    for place, element in enumerate(value):
        yield Document(row, f"{place}:{_encoded(element)}", element)


def _encoded(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, RecursionError):
        return ""  # what cannot be written again is told apart by its place
