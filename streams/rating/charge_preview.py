"""Charges as they would be debited, for `burnline replay charges --dry-run`. Nothing is sent, nothing is looked up."""

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.charges import decode_charge
from schemas.money import join_pico_usd, plain, usd
from streams.rating.spreading import ServiceDays, shares


def charge_lines(values: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Each charge with how many days it is spread over, and what its first and last day are worth; ready for JSON.

    Raises: InvalidMessage: a value is no charge.
    """
    for value in values:
        event = decode_charge(value)
        data = event.data
        days = (data.service_until - data.service_from).days
        service = ServiceDays(data.service_from, days, data.timezone)
        ends = [shares(data.amount_pico_usd, service, start=at, stop=at + 1) for at in (0, days - 1)]
        first, last = (plain(usd(join_pico_usd(int(end.micro[0]), int(end.pico[0])))) for end in ends)
        said = data.model_dump(mode="json", exclude_none=True, exclude={"import_id"})
        yield {
            "source": event.source,
            "id": event.id,
            **said,
            "days": days,
            "first_day_usd": first,
            "last_day_usd": last,
        }
