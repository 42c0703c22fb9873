"""Parts whose files are shorter than what the engine noted of them: what a full disk leaves of a merge.

The engine may take a merge for done whose files never got their data (26.9, seen on a full disk: every file empty).
What was merged lies beside it for `old_parts_lifetime`, eight minutes, and counts again when the engine is started
anew: it then sets the cut part aside. So parts are looked at well within that time, and the process ends if one is cut.
"""

from dataclasses import dataclass
from pathlib import Path

from deploy.clickhouse.handle import Handle

LOOK_SEC = 60.0
_RECENT = (
    "SELECT database || '.' || table, name, bytes_on_disk, path FROM system.parts"
    " WHERE active AND modification_time > now() - INTERVAL 20 MINUTE"
)


@dataclass(frozen=True)
class Part:
    """A part as the engine knows it; `nbytes` is the size of its files but for a few small ones."""

    table: str
    name: str
    nbytes: int
    path: Path

    def is_cut(self) -> bool:
        """Whether its files are shorter than they must be; a part that is no longer there is not cut."""
        try:
            sizes = {file.name: file.stat().st_size for file in self.path.rglob("*") if file.is_file()}
        except FileNotFoundError:
            return False
        return bool(sizes) and (sum(sizes.values()) < self.nbytes or sizes.get("checksums.txt") == 0)


def cut_parts(handle: Handle) -> list[Part]:
    """The active parts of the last 20 minutes that are cut. Raises: StatementError: the engine does not say."""
    suspects = {part for part in _recent(handle) if part.is_cut()}
    if not suspects:
        return []
    # What was dropped while it was looked at is not active any more.
    return [part for part in _recent(handle) if part in suspects and part.is_cut()]


def _recent(handle: Handle) -> list[Part]:
    rows = handle.query(_RECENT, "TSVRaw").data.decode().splitlines()
    found = (row.split("\t") for row in rows)
    return [Part(table, name, int(nbytes), Path(path)) for table, name, nbytes, path in found]
