"""Which dead letters can be sent again now, and which would be refused again, by what rating itself says. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.moments import in_utc
from producers.retry import NotRetried, Retry, newest, retry
from schemas.errors import Reason
from schemas.signals import DeadLetter
from streams.rating.preview import priced_lines


@dataclass(frozen=True)
class Judged:
    """What can be sent, one record for each event, and what cannot."""

    retries: list[Retry]
    refused: list[NotRetried]


_BY_POLICY = {Reason.COST_TOO_LARGE}
"""Refusals that a policy may have mended: the preview knows no policies, so rating itself has to say."""


def judged(letters: Iterable[DeadLetter], *, now: datetime) -> Judged:
    """The letters as retries, judged as if they arrived `now`."""
    found = [retry(letter) for letter in letters]
    refused = [one for one in found if isinstance(one, NotRetried)]
    wanted = newest(one for one in found if isinstance(one, Retry))
    lines = priced_lines((one.value for one in wanted), append_time_us=int(now.timestamp() * 1_000_000))
    retries = []
    for one, line in zip(wanted, lines, strict=True):
        verdict = line.get("dead_letter")
        if verdict is None or verdict["reason"] in _BY_POLICY:
            retries.append(one)
        else:
            refused.append(NotRetried(one.letter_id, f"still refused, {verdict['reason']}: {verdict['message']}"))
    return Judged(retries, refused)


def without(found: Judged, letter_ids: Iterable[str], why: str) -> Judged:
    """The same, with those letters among what cannot be sent, for that reason."""
    gone = set(letter_ids)
    refused = [NotRetried(one.letter_id, why) for one in found.retries if one.letter_id in gone]
    return Judged([one for one in found.retries if one.letter_id not in gone], [*found.refused, *refused])


def letter_of(row: Mapping[str, Any]) -> DeadLetter:
    """The dead letter of a row of the view, where '' stands for what is missing."""
    times = {"append_time": in_utc(row["append_time"])}
    return DeadLetter.model_validate({**row, **times, "key_base64": row["key_base64"] or None})
