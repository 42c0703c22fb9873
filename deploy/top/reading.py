"""Where the picture comes from: the views, over one connection. Nothing here is right or wrong by itself: I/O only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from deploy.moments import in_utc
from deploy.store_client import QueryError, client, read_only
from deploy.top.picture import AlertLine, BudgetLine, Burner, Past, Picture, Piece, Section, collapsed
from schemas.connection import ClickHouseSettings
from schemas.errors import StoreUnavailableError
from sinks import burning_questions as questions
from sinks.burning_questions import LONG_SEC, RATED_TYPES, SHORT_SEC, SLOTS, Sort
from sinks.queries import Query, budgets_left

OVERVIEW = ("team", "agent", "use_case", "run")
_OVERVIEW_ROWS, _ROWS = 5, 20
_ALERTS = 50
_TIMEOUT_SEC = 20.0
_STARTING = ("UNKNOWN_TABLE", "UNKNOWN_DATABASE", "Unknown table", "Unknown database", "does not exist")

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person wants to see. `by` None: an overview; `team` None: all teams, and no people."""

    by: str | None = None
    team: str | None = None
    org: str | None = None
    sort: Sort = "usd"
    limit: int | None = None

    def kinds(self) -> tuple[str, ...]:
        """The kinds of entity that are shown, a table each."""
        if self.by is not None:
            return (self.by,)
        return OVERVIEW if self.team is None else ("user",)

    def rows(self) -> int:
        """How many of each kind."""
        return self.limit or (_OVERVIEW_ROWS if len(self.kinds()) > 1 else _ROWS)


def read(settings: ClickHouseSettings, wanted: Wanted, *, now: datetime) -> Picture:
    """What burns now.

    Raises: StoreUnavailableError: no answer, or the stack's views are not there yet. InputError: people of no team.
    """
    try:
        with client(settings, timeout_sec=_TIMEOUT_SEC) as found:
            return _Reader(found, now).picture(wanted)
    except QueryError as error:
        if any(text in str(error) for text in _STARTING):
            starting = "the stack is starting: its views are not there yet; see burnline status"
            raise StoreUnavailableError(starting) from error
        raise


class _Reader:
    """One look at the views."""

    def __init__(self, found: Any, now: datetime) -> None:  # noqa: ANN401  clickhouse-connect's clients have no public type
        self._client = found
        self._settings = read_only(found)
        self._now = now
        self._said: dict[str, Past] = {}  # of each org: what burn said, and where it said nothing

    def picture(self, wanted: Wanted) -> Picture:
        """Everything at once."""
        since = self._now.replace(minute=0, second=0, microsecond=0)
        hour_ago = self._now - timedelta(seconds=LONG_SEC)
        since = min(since, hour_ago.replace(minute=0, second=0, microsecond=0))
        totals = self._rated("org", wanted, limit=1000, since=since)
        as_of = max((total.window_end for total in totals), default=None)
        sections = [self._section(kind, wanted, since=since) for kind in wanted.kinds()]
        alerts = self._rows(questions.open_alerts(org=wanted.org, limit=wanted.limit or _ALERTS))
        unpriced = self._rows(questions.unpriced_models(since=since, org=wanted.org))
        [last] = self._rows(questions.last_used(org=wanted.org))
        return Picture(
            as_of=as_of,
            totals=tuple(total for total in totals if total.requests or total.tokens or total.cost_usd),
            sections=tuple(sections),
            budgets=tuple(self._budgets(wanted)),
            alerts=tuple(_alert(row) for row in alerts),
            open_alerts=alerts[0]["of"] if alerts else 0,
            unpriced_models=tuple((row["model"], row["unpriced_requests"]) for row in unpriced),
            unpriced_since=since,
            last_used=None if last["t"] is None else in_utc(last["t"]),
            org=wanted.org,
            team=wanted.team,
            sort=wanted.sort,
        )

    def _rows(self, query: Query) -> Rows:
        found = self._client.query(query.sql, parameters=query.parameters, settings=self._settings)
        return list(found.named_results())

    def _section(self, kind: str, wanted: Wanted, *, since: datetime) -> Section:
        limit = wanted.rows()
        if wanted.team is None and kind in RATED_TYPES:
            burners = self._rated(kind, wanted, limit=limit + 1, since=since)
        else:
            burners = self._summed(kind, wanted, limit=limit + 1)
        return Section(entity_type=kind, burners=tuple(burners[:limit]), more=len(burners) > limit)

    def _summed(self, kind: str, wanted: Wanted, *, limit: int) -> list[Burner]:
        """From the events of the hour before now."""
        query = questions.events(
            kind, org=wanted.org, team=wanted.team, sort=wanted.sort, limit=limit, end=self._now
        )  # fmt: skip
        return [
            replace(
                _burner(row, kind),
                unpriced_requests=row["unpriced_requests"],
                ceiling_usd=row["ceiling_cost_usd"],
                past=_summed_past(row["past"]),
            )
            for row in self._rows(query)
        ]

    def _rated(self, kind: str, wanted: Wanted, *, limit: int, since: datetime) -> list[Burner]:
        """From burn's rates."""
        found = [
            _burner(row, kind)
            for row in self._rows(questions.rates(kind, org=wanted.org, sort=wanted.sort, limit=limit))
        ]
        if not found:
            return []
        names = [(burner.org, burner.entity_id) for burner in found]
        past = self._past(kind, names, end=max(burner.window_end for burner in found))
        unpriced = _by_name(self._rows(questions.unpriced(kind, names, since=since)))
        return [
            replace(
                burner,
                unpriced_requests=sum(row["unpriced_requests"] for row in unpriced.get(name, ())),
                ceiling_usd=sum((row["ceiling_cost_usd"] for row in unpriced.get(name, ())), Decimal(0)),
                past=past[name],
            )
            for name, burner in zip(names, found, strict=True)
        ]

    def _past(self, kind: str, names: Sequence[tuple[str, str]], *, end: datetime) -> Mapping[tuple[str, str], Past]:
        """From what burn said; for the time before it spoke of an org, from the events."""
        rows = _by_name(self._rows(questions.past_rates(kind, names, end=end)))
        found = {name: rated_past(rows.get(name, ()), said=self._said.get(name[0])) for name in names}
        if kind == "org":  # as burn said it: what is filled in below it did not say
            self._said = {org: past for (org, _), past in found.items()}
        unknown = [name for name in names if None in found[name]]
        if unknown:
            rows = _by_name(self._rows(questions.past_events(kind, unknown, end=end)))
            for name in unknown:
                pieces = [(row["slot"], row["cost_usd"], row["tokens"]) for row in rows.get(name, ())]
                summed = _summed_past(pieces)
                found[name] = tuple(one or other for one, other in zip(found[name], summed, strict=True))
        return found

    def _budgets(self, wanted: Wanted) -> list[BudgetLine]:
        query = budgets_left(now=self._now, org=wanted.org)
        rows = [
            {**row, "period_start": in_utc(row["period_start"]), "period_end": in_utc(row["period_end"])}
            for row in self._rows(query)
        ]
        return collapsed(rows)[: wanted.limit or _ROWS]


def _by_name(rows: Rows) -> Mapping[tuple[str, str], Rows]:
    found: dict[tuple[str, str], Rows] = {}
    for row in rows:
        found.setdefault((row["org"], row["entity_id"]), []).append(row)
    return found


def _burner(row: Mapping[str, Any], kind: str) -> Burner:
    return Burner(
        org=row["org"],
        entity_type=kind,
        entity_id=row["entity_id"],
        window_end=in_utc(row["window_end"]),
        usd_per_hour=Decimal(row["usd_per_hour"]),
        tokens_per_min=Decimal(row["tokens_per_min"]),
        requests_short=row["requests_short"],
        requests=row["requests"],
        tokens=row["tokens"],
        cost_usd=row["cost_usd"],
    )


def _summed_past(found: Sequence[tuple[int, Decimal, int]]) -> Past:
    """Sums of events: where there were none, nothing burnt."""
    by_slot = {slot: (cost, tokens) for slot, cost, tokens in found}
    pieces = (by_slot.get(slot, (Decimal(0), 0)) for slot in range(SLOTS))
    return tuple(Piece(cost * (LONG_SEC // SHORT_SEC), Decimal(tokens) / (SHORT_SEC // 60)) for cost, tokens in pieces)


def rated_past(rows: Sequence[Mapping[str, Any]], *, said: Past | None = None) -> Past:
    """Rates that were said; zero after a zero, and where burn `said` something of the org but not of this entity.

    Burn says again each minute what burns, so silence is zero while it speaks. Else nothing is known.
    """
    by_slot = {row["slot"]: Piece(Decimal(row["usd_per_hour"]), Decimal(row["tokens_per_min"])) for row in rows}
    found: list[Piece | None] = []
    zero = Piece(Decimal(0), Decimal(0))
    for slot in range(SLOTS):
        quiet = (found and found[-1] == zero) or (said is not None and said[slot] is not None)
        found.append(by_slot.get(slot, zero if quiet else None))
    return tuple(found)


def _alert(row: Mapping[str, Any]) -> AlertLine:
    return AlertLine(
        alert_id=row["alert_id"],
        severity=row["severity"],
        status=row["status"],
        org=row["org"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        rule=row["rule"],
        level=row["level"],
        opened_at=in_utc(row["opened_at"]),
        owner=row["owner"],
        message=row["message"],
    )
