"""Outcomes as a table or as JSON (`record_files`). Pure."""

from collections.abc import Iterator

from producers.dialect import Dialect, Lines, Row
from producers.record_files import Kind, records
from schemas.outcomes import FLAGS, OUTCOME_TYPE, OutcomeData

_YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _typed(name: str, cell: str) -> object:
    """A cell as its field wants it; what cannot be read stays text, which the contract then refuses."""
    if name in FLAGS:
        return _YES_OR_NO.get(cell.lower(), cell)
    if name == "quality_score":
        try:
            return float(cell)
        except ValueError:
            return cell
    return cell


KIND = Kind(
    format="outcomes",
    noun="an outcome",
    event_type=OUTCOME_TYPE,
    fields=tuple(name for name in OutcomeData.model_fields if name != "import_id"),
    required=("outcome_type",),
    typed=_typed,
    default_time=lambda _said: None,
)


def read(lines: Lines) -> Iterator[Row]:
    """One row per outcome. Raises: InputError: the header has a column that is none of ours, or lacks one."""
    return records(KIND, lines)


DIALECT = Dialect(
    name="outcomes",
    about="CSV or JSON lines of what usage led to: merged, resolved_ticket, metric, ... (docs/value.md)",
    read=read,
    topic="usage.outcomes",
)
