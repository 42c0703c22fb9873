"""Charges as they stand: what a lane of `usage.charges` remembers of each, and what becomes of a new message. Pure.

Laws
1. Of a charge only its highest revision stands, wherever and how often its messages come.
2. A copy and a lower revision change nothing; the same revision with other content is refused.
3. An organisation's ids are its own: what another one sends under the same source and id is another charge.
4. Whom it belongs to is what the directory says at noon of its first day, as for events; what it said itself and is not
   so is kept in `asserted`. A later move changes nothing: a revision resolves anew.
5. Nothing that looks like a secret is kept: a credential becomes its pseudonym, in other names it is taken out.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import msgspec

from schemas.aliases import NO_ALIASES, Aliases
from schemas.charge_states import KeptCharge
from schemas.charges import ChargeEvent
from schemas.errors import InvalidMessage, Reason
from schemas.money import pico_usd
from schemas.policies import SCOPE_KEYS
from schemas.secrets import holds_secret, named_without_secrets, pseudonym
from streams.rating.attribution import LEVELS, NO_DIRECTORY, Directory, Said
from streams.rating.spreading import ServiceDays, noon_us

_NO_CONTENT = {"revision", "import_id"}
ATTRIBUTED = ("user", "agent", *LEVELS)
"""What the directory has a word on."""
_ENCODER = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge as it stands; `who` are the names that budgets match."""

    kept: KeptCharge
    revision: int
    who: dict[str, str]
    kind: str
    amount_pico_usd: int
    service: ServiceDays
    contract: str | None
    vendor: str | None
    item: str | None
    quantity: Decimal | None
    unit_price_usd: Decimal | None


def charge_of(kept: KeptCharge) -> Charge:
    """The charge that was kept. Raises: KeyError, msgspec.MsgspecError: what was kept is none."""
    data: dict[str, Any] = msgspec.json.decode(kept.data)
    quantity, price = data.get("quantity"), data.get("unit_price_usd")
    first, until = date.fromisoformat(data["service_from"]), date.fromisoformat(data["service_until"])
    return Charge(
        kept=kept,
        revision=data["revision"],
        who={name: data[name] for name in SCOPE_KEYS if data.get(name) is not None},
        kind=data["kind"],
        amount_pico_usd=pico_usd(Decimal(data["amount_usd"])),
        service=ServiceDays(first, (until - first).days, data["timezone"]),
        contract=data.get("contract"),
        vendor=data.get("vendor"),
        item=data.get("item"),
        quantity=None if quantity is None else Decimal(quantity),
        unit_price_usd=None if price is None else Decimal(price),
    )


def kept_of(
    event: ChargeEvent, *, received_us: int, aliases: Aliases = NO_ALIASES, directory: Directory = NO_DIRECTORY
) -> KeptCharge:
    """What is kept of a message; a rotated key is the first one, as of the time when the message came."""
    data: dict[str, Any] = event.data.model_dump(mode="json", exclude_none=True)
    names = {"source": event.source, "id": event.id}
    if holds_secret(_ENCODER.encode([data, names])):
        data = {name: _clean(name, value) for name, value in data.items()}
        names = {name: named_without_secrets(value) for name, value in names.items()}
    same = {name: value for name, value in data.items() if name not in _NO_CONTENT}
    content = _ENCODER.encode({**same, "amount_usd": event.data.amount_pico_usd})
    if aliases and "credential" in data:
        data["credential"] = aliases.first(org=data["org"], credential=data["credential"], event_us=received_us)
    data = _attributed(data, event.source, directory)
    identity = f"{event.data.org}\0{event.source}\0{event.id}".encode()
    return KeptCharge(
        charge_id=blake2b(identity, digest_size=16).hexdigest(),
        **names,
        time=event.time.isoformat(),
        received_us=received_us,
        content=blake2b(content, digest_size=8).hexdigest(),
        data=msgspec.Raw(_ENCODER.encode(data)),
    )


def _attributed(data: dict[str, Any], source: str, directory: Directory) -> dict[str, Any]:
    """The data with whom the directory names."""
    if not directory.knows_any([data["org"]]):
        return data
    first = date.fromisoformat(data["service_from"])
    said = Said(org=data["org"], source=source, **{name: data.get(name) for name in ("credential", *ATTRIBUTED)})
    found = directory.attributed(said, noon_us(first.toordinal(), data["timezone"]))
    named = {name: getattr(found, name) for name in (*ATTRIBUTED, "asserted")}
    return {name: value for name, value in {**data, **named}.items() if value is not None}


def replacing(before: Charge | None, new: Charge) -> Charge | None:
    """The charge that stands from now on, with the time of its first revision; None where nothing changes.

    Raises: InvalidMessage: it contradicts what stands.
    """
    if before is None:
        return new
    if new.revision == before.revision and new.kept.content != before.kept.content:
        said = f"a charge of this source and id stands with another content as revision {before.revision}"
        raise InvalidMessage(Reason.CONFLICTING_DUPLICATE, "id", said)
    if new.revision <= before.revision:
        return None
    return charge_of(msgspec.structs.replace(new.kept, time=before.kept.time))


def _clean(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    return pseudonym(value) if name == "credential" else named_without_secrets(value)
