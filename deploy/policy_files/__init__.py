"""Policy files (TOML): read as a whole or refused as a whole, with every mistake named.

A file has tables `[[budget]]`, `[[spike_rule]]`, `[[shared_credential_rule]]`, `[[horizon]]`, `[[price_override]]`,
`[[discount]]`, `[[price_ceiling]]`, `[[route]]`, `[[alias]]` and `[[renewal_rule]]`, and at its top, where all its
policies belong to one organisation, `org = "..."`. Numbers are read exactly as they are written: no float holds money.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from deploy.policy_files.tables import Policies, policies_of, words
from schemas.errors import PolicyError
from schemas.policies import Key, key_of

MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class PolicyFile:
    """A file as it was read from disk; `name` is how the user called it."""

    name: str
    content: bytes


def read_policies(files: Sequence[PolicyFile]) -> Policies:
    """The policies of all files together, in the order in which they are written.

    Raises: PolicyError: at least one mistake; the message has one line for each, naming file, table, key and value.
    """
    found: Policies = ()
    mistakes: list[str] = []
    places: dict[Key, str] = {}
    for file in files:
        try:
            document = _parse(file)
        except PolicyError as error:
            mistakes.append(str(error))
            continue
        policies, wrong = policies_of(document)
        mistakes += [f"{file.name}: {line}" for line in wrong]
        for policy in policies:
            key = key_of(policy)
            if key in places:
                where = "twice in" if places[key] == file.name else f"in {places[key]} and in"
                mistakes.append(f"{file.name}: {' '.join(key)} stands {where} {file.name}; write it once")
            places[key] = file.name
        found += policies
    if mistakes:
        raise PolicyError("\n".join(mistakes))
    return found


class _UnreadableError(ValueError):
    """A number that no Decimal can hold."""


def _parse(file: PolicyFile) -> Mapping[str, object]:
    """The TOML document of a file. Raises: PolicyError: it is none, or it is empty."""
    if len(file.content) > MAX_FILE_BYTES:
        limit = f"{file.name} has {len(file.content):,} bytes; a policy file has at most {MAX_FILE_BYTES:,}"
        raise PolicyError(limit)
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.content[: error.start].count(b"\n") + 1
        raise PolicyError(f"{file.name} is not UTF-8: byte {error.start} in line {line}; save it as UTF-8") from None
    try:
        document = tomllib.loads(text, parse_float=_exact)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{file.name} is not TOML: {error}") from None
    except _UnreadableError as error:
        raise PolicyError(f"{file.name} cannot be read as TOML: {error}") from None
    except ValueError:
        raise PolicyError(f"{file.name} cannot be read as TOML: a whole number has too many digits") from None
    except RecursionError:
        raise PolicyError(f"{file.name} cannot be read as TOML: it is nested too deeply") from None
    if not document:
        raise PolicyError(f"{file.name} is empty; write at least one of {words()}")
    return document


def _exact(text: str) -> Decimal:
    """A TOML float as the decimal number that is written there."""
    try:
        return Decimal(text.replace("_", ""))
    except InvalidOperation:
        raise _UnreadableError(f"{text} is not a number that can be held exactly") from None
