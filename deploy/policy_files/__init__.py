"""Policy files (TOML; a directory also CSV): read as a whole or refused as a whole, with every mistake named.

A TOML file has tables `[[budget]]`, `[[spike_rule]]`, `[[shared_credential_rule]]`, `[[horizon]]`,
`[[price_override]]`, `[[discount]]`, `[[price_ceiling]]`, `[[route]]`, `[[alias]]`, `[[renewal_rule]]`, `[[planned]]`,
`[[business_case]]`, `[[allowance]]` and those of the directory (`[[team]]`, `[[user]]` ...); at its top, where all its
policies belong to one organisation, `org = "..."`.
Numbers are read exactly as they are written: no float holds money.
A file whose name ends in `.csv` holds entries of the directory.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from deploy.policy_files.csv_tables import directory_of
from deploy.policy_files.tables import Policies, policies_of, words
from schemas.errors import PolicyError
from schemas.policies import Key, key_of

MAX_FILE_BYTES = 1_000_000
MAX_CSV_BYTES = 8_000_000
"""More than of TOML, which takes ten times as long to read."""


@dataclass(frozen=True)
class PolicyFile:
    """A file as it was read from disk; `name` is how the user called it."""

    name: str
    content: bytes


def read_policies(files: Sequence[PolicyFile], *, org: str | None = None) -> Policies:
    """The policies of all files together, in the order in which they are written.

    `org`: whose they are where neither a policy nor its file says.
    Raises: PolicyError: at least one mistake; the message has one line for each, naming file, table, key and value.
    """
    found: Policies = ()
    mistakes: list[str] = []
    places: dict[Key, str] = {}
    for file in files:
        try:
            policies, wrong = _read(file, org)
        except PolicyError as error:
            mistakes.append(str(error))
            continue
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


def _read(file: PolicyFile, org: str | None) -> tuple[Policies, list[str]]:
    """The policies of a file and its mistakes. Raises: PolicyError: it cannot be read as what its name says."""
    if not file.name.lower().endswith(".csv"):
        document = _parse(file, _text(file, most_bytes=MAX_FILE_BYTES))
        return policies_of({"org": org, **document} if org is not None else document)
    text = _text(file, most_bytes=MAX_CSV_BYTES)
    try:
        return directory_of(text, org=org)
    except PolicyError as error:
        return (), [str(error)]


def _text(file: PolicyFile, *, most_bytes: int) -> str:
    if len(file.content) > most_bytes:
        raise PolicyError(f"{file.name} has {len(file.content):,} bytes; such a file has at most {most_bytes:,}")
    try:
        return file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = file.content[: error.start].count(b"\n") + 1
        raise PolicyError(f"{file.name} is not UTF-8: byte {error.start} in line {line}; save it as UTF-8") from None


def _parse(file: PolicyFile, text: str) -> Mapping[str, object]:
    """The TOML document of a file. Raises: PolicyError: it is none, or it is empty."""
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
