"""Pictures of `burnline top` that its tests share: a company's afternoon, and one whose names are hostile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from deploy.top.picture import AlertLine, Band, Burner, Past, Picture, Piece, Section, collapsed

NOW = datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)
AS_OF = NOW - timedelta(seconds=7)
HOUR = datetime(2026, 11, 22, 14, tzinfo=UTC)
HOSTILE = (
    "[bold red]payments[/]",
    "evil\x1b[2J\x1b]0;owned\x07name",
    "two\nlines\r\ttabs",
    "漢字の長い名前はとても長いので切られる必要があります",
    "e\u0301quipe \u2764\ufe0f \U0001f469\u200d\U0001f680 fus\u00e9es",
    "\u202eright to left\u202c",
    "x" * 200,
    ":smile: {braces} %s \\n",
)


def past(*usd_per_hour: int | None) -> Past:
    """The hour in twelve pieces; what is not given is unknown, and lies before."""
    known = tuple(None if each is None else Piece(Decimal(each), Decimal(each * 900)) for each in usd_per_hour)
    return (None,) * (12 - len(known)) + known


def burner(entity_id: str, usd_per_hour: str, tokens_per_min: int, **changes: Any) -> Burner:
    """One that burns, as long as nothing else is said, at the same rate for an hour."""
    rate = Decimal(usd_per_hour)
    made = Burner(
        org="acme",
        entity_type="team",
        entity_id=entity_id,
        window_end=AS_OF,
        usd_per_hour=rate,
        tokens_per_min=Decimal(tokens_per_min),
        requests_short=40,
        requests=480,
        tokens=tokens_per_min * 60,
        cost_usd=rate,
        past=past(1, 2, 3, 4, 5, 6, 7, 8),
    )
    return replace(made, **changes)


def section(entity_type: str, burners: Sequence[Burner], *, more: bool = False) -> Section:
    """A table of these."""
    return Section(
        entity_type=entity_type, burners=tuple(replace(one, entity_type=entity_type) for one in burners), more=more
    )


def budget_row(budget_id: str, spent: str, limit: str, **changes: Any) -> dict[str, Any]:
    """A row of the view, for November."""
    ratio = float(Decimal(spent) / Decimal(limit)) if Decimal(limit) else None
    return {
        "org": "acme",
        "budget_id": budget_id,
        "member": "",
        "unit": "usd",
        "limit": Decimal(limit),
        "spent": Decimal(spent),
        "estimated_usd": Decimal(0),
        "spent_to_limit_ratio": ratio,
        "status": "ok" if ratio is not None and ratio < 1 else "breached",
        "period_start": datetime(2026, 11, 1, tzinfo=UTC),
        "period_end": datetime(2026, 12, 1, tzinfo=UTC),
        "owner": "nadia.duval",
        **changes,
    }


def alert(severity: str, message: str, **changes: Any) -> AlertLine:
    """An alert that fires since 14:00."""
    made = AlertLine(
        alert_id="a1",
        severity=severity,
        status="firing",
        org="acme",
        entity_type="team",
        entity_id="marketing",
        rule="threshold",
        level="1",
        opened_at=HOUR,
        owner="nadia.duval",
        message=message,
    )
    return replace(made, **changes)


def picture(**changes: Any) -> Picture:
    """A company's afternoon: a runaway agent, a model without a price, a team over its budget."""
    budgets = [
        budget_row("marketing-monthly", "17.1195762", "11.13"),
        budget_row("company-monthly", "187.46", "500", estimated_usd=Decimal("2.1"), owner=""),
        *(budget_row("each-user", spent, "5", member=f"user-{spent}") for spent in ("0.5", "4.2", "6.1")),
        budget_row("research-tokens", "1250000", "40000000", unit="tokens", estimated_usd=None),
        budget_row("nothing-allowed", "0", "0", status="ok"),
    ]
    lines = collapsed(budgets)
    banded = replace(lines[0], band=Band(Decimal("18.4"), Decimal("22.05"), Decimal("31.9")))
    made = Picture(
        as_of=AS_OF,
        totals=(
            burner("acme", "14.31", 412_345, requests=1234, unpriced_requests=37, ceiling_usd=Decimal("2.1")),
        ),
        sections=(
            section(
                "team",
                [
                    burner("code", "11.322177", 294_424, past=past(0, 0, 1, 1, 2, 1, 3, 6, 9, 11, 11, 11)),
                    burner("research", "2.4", 98_000, unpriced_requests=12, ceiling_usd=Decimal("0.4")),
                    burner("support", "0.0031", 410, past=past(None, None, 1)),
                ],
            ),
            section("agent", [burner("test-fixer", "10.9", 291_000)], more=True),
            section("use_case", []),
            section(
                "run",
                [
                    burner("nightly-42", "0", 18_700, cost_usd=Decimal(0), unpriced_requests=25,
                           past=tuple(Piece(Decimal(0), Decimal(n)) for n in range(12)))
                ],
            ),
        ),
        budgets=(banded, *lines[1:]),
        alerts=(
            alert("critical", "team marketing has spent 17.12 of 11.13 USD this month (154 %)"),
            alert("warning", "agent test-fixer burns 11.32 USD/h, usual are 0.61", opened_at=NOW - timedelta(0, 40)),
        ),
        open_alerts=5,
        unpriced_models=(("northwind-7b", 30), ("", 7)),
        unpriced_since=HOUR,
        last_used=datetime(2026, 11, 22, 15, tzinfo=UTC),
    )  # fmt: skip
    return replace(made, **changes)


def hostile() -> Picture:
    """Every name and text is one that somebody could have chosen to break a terminal."""
    burners = [burner(name, "1234.5", 12_345_678, org=name) for name in HOSTILE]
    return picture(
        totals=tuple(burners),
        sections=(section("team", burners), section("run", burners[:2])),
        budgets=tuple(collapsed(budget_row(name, "99999999", "1", org=name, owner=name) for name in HOSTILE)),
        alerts=tuple(alert("critical", name, status=name) for name in HOSTILE),
        open_alerts=len(HOSTILE),
        unpriced_models=tuple((name, 1) for name in HOSTILE),
        team=HOSTILE[1],
    )


def quiet(**changes: Any) -> Picture:
    """Nothing burned for hours."""
    nothing: dict[str, Any] = {"totals": (), "sections": (section("team", []),), "budgets": (), "alerts": ()}
    nothing |= {"open_alerts": 0, "unpriced_models": (), "last_used": datetime(2026, 11, 22, 9, 15, tzinfo=UTC)}
    return picture(**nothing | {"as_of": datetime(2026, 11, 22, 9, 21, tzinfo=UTC)} | changes)
