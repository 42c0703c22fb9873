"""The outcomes among what the signal worker reads: rows to store, and dead letters to send with its progress.

1. Look up which revisions of the same outcomes are stored; decide (`outcome_rows`).
2. The worker inserts, then says its progress and the dead letters in one transaction. A crash between them: the next
   life reads the same records, decides the same, and what it inserts again the sort key absorbs.
"""

from schemas.dead_letters import TOPIC as DEAD_LETTERS
from schemas.errors import InvalidMessage
from sinks.log_reader import Place, Record
from sinks.outcome_rows import OUTCOMES_TABLE, STORED, Claim, Refused, Revision, claim_of, judged
from sinks.signal_rows import SignalRow
from sinks.store import Store

_LETTERS: Place = (DEAD_LETTERS, 0)
_ASKED_AT_ONCE = 1000


class Outcomes:
    """What was read of `usage.outcomes` and is not stored yet; for one thread."""

    def __init__(self) -> None:
        self._claims: list[Claim] = []
        self._refused: list[Refused] = []

    def __len__(self) -> int:
        return len(self._claims)

    def read(self, record: Record) -> None:
        """The record is an outcome to be stored, or will be a dead letter."""
        try:
            self._claims.append(claim_of(record))
        except InvalidMessage as why:
            self._refused.append(Refused(record, why))

    def settle(self, store: Store) -> tuple[list[SignalRow], list[tuple[Place, bytes, bytes]]]:
        """(the rows to insert, the dead letters to send with the progress) of all that was read; nothing is left.

        Raises: StoreUnavailableError: nothing changed, ask again.
        """
        rows, contradicting = judged(self._claims, self._stored(store)) if self._claims else ([], [])
        letters = [(_LETTERS, *one.letter()) for one in (*self._refused, *contradicting)]
        self._claims.clear()
        self._refused.clear()
        return [SignalRow(OUTCOMES_TABLE, row) for row in rows], letters

    def _stored(self, store: Store) -> dict[Revision, str]:
        ids = sorted({claim.row["outcome_id"] for claim in self._claims})
        return {
            (found, revision): content
            for start in range(0, len(ids), _ASKED_AT_ONCE)
            for found, revision, content in store.rows(STORED, {"ids": ids[start : start + _ASKED_AT_ONCE]})
        }
