"""Which renewals a lane of charges has said: state, and what follows when charges, rules or time have moved. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from schemas.charge_states import RENEWAL_TYPE, record_bytes
from schemas.policies import Policies, RenewalRule
from schemas.signals import ALERT_TYPE, Alert, CloudSignal
from streams.ports import Output
from streams.rating.renewals import (
    Term,
    TermKey,
    change_of,
    firing,
    following,
    is_due,
    is_over,
    resolved,
    terms_of,
    told,
)
from streams.rating.standing_charges import Charge

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Said(msgspec.Struct, frozen=True):
    key: TermKey
    alert: msgspec.Raw


class RenewalWatch:
    """The last word on each term that was said; laws as in `renewals.py`."""

    def __init__(self) -> None:
        self._said: dict[TermKey, Alert] = {}

    def restore(self, data: bytes) -> None:
        """What a record says was said. Raises: msgspec.MsgspecError, ValueError: rating did not write it."""
        said = msgspec.json.decode(data, type=_Said)
        self._said[said.key] = Alert.model_validate_json(bytes(said.alert))

    def judge(self, charges: Iterable[Charge], policies: Policies, *, at_us: int) -> list[tuple[TermKey, Alert]]:
        """The transitions that follow now, each of which is now the last word on its term."""
        at = _EPOCH + timedelta(microseconds=at_us)
        rules = {e.policy.org: e.policy for e in policies.values() if isinstance(e.policy, RenewalRule)}
        moved: list[tuple[TermKey, Alert]] = []
        known: set[TermKey] = set()
        for (org, _), terms in terms_of(charges).items():
            rule = rules.get(org) or RenewalRule(org=org)
            known.update(term.key for term in terms)
            moved.extend(self._of_contract(terms, rule, at=at, at_us=at_us))
        gone = sorted(key for key, alert in self._said.items() if alert.status == "firing" and key not in known)
        moved.extend((key, resolved(self._said[key], at=at, because="its charges were taken back")) for key in gone)
        self._said |= dict(moved)
        return moved

    def _of_contract(
        self, terms: list[Term], rule: RenewalRule, *, at: datetime, at_us: int
    ) -> Iterator[tuple[TermKey, Alert]]:
        for place, term in enumerate(terms):
            said = self._said.get(term.key)
            if said is None:
                if rule.enabled and is_due(term, days_before=rule.days_before, at_us=at_us):
                    yield term.key, firing(terms, place, days_before=rule.days_before, at=at)
            elif said.status == "firing":
                after = following(terms, place, days_before=rule.days_before)
                if is_over(term, at_us=at_us):
                    yield term.key, resolved(said, at=at, because="its period is over")
                elif after is not None and "next" not in said.evidence:
                    yield term.key, resolved(said, at=at, because=f"it is renewed, {told(change_of(term, after))}")


def renewal_outputs(moved: Iterable[tuple[TermKey, Alert]], *, partition: int) -> Iterator[Output]:
    """The alerts, and the records that keep them."""
    for key, alert in moved:
        signal = CloudSignal(
            type=ALERT_TYPE, id=f"{alert.alert_id}/{alert.seq}", time=alert.at, subject=f"org/{alert.org}", data=alert
        )
        yield Output(topic=alert.topic, key=alert.alert_id.encode(), value=signal.model_dump_json().encode())
        kept: Mapping[str, object] = {"key": key, "alert": msgspec.Raw(alert.model_dump_json().encode())}
        name = "\0".join(("renewal", *key)).encode()
        yield Output("internal.charges", record_bytes(RENEWAL_TYPE, kept), key=name, partition=partition)
