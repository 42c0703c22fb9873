"""What a start finds of earlier lives: which deliveries are settled, which requests are open. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from schemas.deliveries import Asked, DeliveryStatus, Resend, Said


@dataclass(frozen=True, slots=True)
class Standing:
    """Delivery ids that were delivered or parked, and what was asked for and is neither yet, oldest first."""

    settled: frozenset[str]
    open: tuple[Resend, ...]


def said_in(raw: bytes) -> DeliveryStatus | Resend | None:
    """What a record of `internal.deliveries` says; None for what this version cannot read."""
    for envelope in (Said, Asked):
        try:
            return envelope.model_validate_json(raw).data
        except ValidationError:
            continue
    return None


def standing(records: Iterable[bytes], since: Mapping[tuple[str, int], int]) -> Standing:
    """The records folded, in the order of the log; of what is settled only what stands at `since` or behind it.

    What is before is not read again. A word that settles a delivery answers all that asked for it before.
    """
    settled: set[str] = set()
    answered: set[str] = set()
    asked: dict[str, Resend] = {}
    for raw in records:
        said = said_in(raw)
        if isinstance(said, Resend):
            if said.request_id not in answered:
                asked[said.delivery_id] = said
        elif said is not None and said.status != "waiting":
            if said.offset >= since.get((said.topic, said.partition), 0):
                settled.add(said.delivery_id)
            answered.add(said.request_id)
            asked.pop(said.delivery_id, None)
    return Standing(frozenset(settled), tuple(asked.values()))
