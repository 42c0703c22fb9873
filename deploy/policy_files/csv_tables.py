"""A CSV file as tables of the directory: one entry a line, what it is in the column `type`.

The first line names the columns. Columns are separated by commas, or by semicolons where the first line has no comma;
an empty cell says nothing. Lines that are empty throughout are passed over.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.policy_files.tables import DIRECTORY, meant, policy_of
from schemas.errors import PolicyError
from schemas.policies import OnePolicy

MOST_SAID = 20
COLUMNS = (
    "type",
    *dict.fromkeys(name for model in DIRECTORY.values() for name in model.model_fields if name != "kind"),
)


@dataclass(frozen=True)
class Line:
    """A line of the file: where it ends, and what its cells say by column."""

    number: int
    cells: Mapping[str, str]


def directory_of(text: str, *, org: str | None) -> tuple[tuple[OnePolicy, ...], list[str]]:
    """The entries of a CSV file and its mistakes, each with its line; of many mistakes the first ones.

    `org`: whose entries they are where a line does not say.
    Raises: PolicyError: it is no CSV file, or its columns are not known.
    """
    found: list[OnePolicy] = []
    mistakes: list[str] = []
    for line in _lines(text, org=org):
        cells = dict(line.cells)
        kind = cells.pop("type", "")
        if kind not in DIRECTORY:
            mistakes.append(f'line {line.number}: type = "{kind}": {meant(kind, DIRECTORY)}')
            continue
        policy, wrong = policy_of(kind, cells, org)
        mistakes += [f"line {line.number}: {sentence}" for sentence in wrong]
        found += [policy] if policy is not None else []
    if not found and not mistakes:
        mistakes.append("holds no entry; write at least one line below that of the columns")
    if len(mistakes) > MOST_SAID:
        mistakes[MOST_SAID:] = [f"and {len(mistakes) - MOST_SAID:,} more mistakes"]
    return tuple(found), mistakes


def _lines(text: str, *, org: str | None) -> Iterator[Line]:
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="," if "," in first else ";", strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        _check(names, org=org)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                wanted = f"{len(names)} cells, as the first line"
                raise PolicyError(f"line {reader.line_num}: has {len(cells)} cells; write {wanted}")
            said = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
            yield Line(reader.line_num, {name: cell for name, cell in said.items() if cell})
    except csv.Error as error:
        raise PolicyError(f"line {reader.line_num}: is not CSV: {error}") from None


def _check(names: list[str], *, org: str | None) -> None:
    """Raises: PolicyError: a column is not known, is there twice, or is missing."""
    for name in names:
        if name not in COLUMNS:
            raise PolicyError(f'line 1: unknown column "{name}"; {meant(name, COLUMNS)}')
        if names.count(name) > 1:
            raise PolicyError(f'line 1: column "{name}" is there twice')
    for name in ("type", "id"):
        if name not in names:
            raise PolicyError(f'line 1: there is no column "{name}"; it is required')
    if org is None and "org" not in names:
        raise PolicyError('line 1: whose entries are these? add a column "org", or apply the file with --org')
