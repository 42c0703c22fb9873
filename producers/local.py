"""The calls that files tell of, read once and sent nowhere: for reports that need no stack.

Laws
1. Rows that tell of one call are one draft, as in a replay: copies under the same id count once, the first one.
2. Nothing is changed, moved in time or written; what cannot be a call is Skipped with its reason.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from msgspec import structs

from producers.dialect import Draft, Skipped
from producers.files import find
from producers.formats import dialect
from producers.plan import rows_of
from producers.stamp import default_time

ORG = "local"


def local_rows(
    format_name: str, paths: Sequence[str], *, sets: Mapping[str, str] | None = None
) -> Iterator[Draft | Skipped]:
    """Every call in the files, in their order, with `sets` on each; without an org it is `local`.

    A `time` in `sets` is that of rows which say none.

    Raises: InputError: the format or a path cannot be used.
    """
    chosen, given = dialect(format_name), {"org": ORG, **(sets or {})}
    default = default_time(given)
    fields = {field: value for field, value in given.items() if field != "time"}
    seen: set[tuple[str | None, str]] = set()
    for file in find(paths, chosen.files, beside=chosen.beside):
        for item in rows_of(chosen, file.lines(), file.name):
            if isinstance(item, Skipped):
                yield replace(item, file=file.name)
                continue
            if item.id is not None:
                own = (item.source, item.id)
                if own in seen:
                    yield Skipped(item.row, "repeated", "the call is in another file, or before", file.name)
                    continue
                seen.add(own)
            item.data.update(fields)
            yield item if item.time is not None else structs.replace(item, time=default)
