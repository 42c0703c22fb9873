"""Each rule's alert is the golden example of the contract, field by field; only the id is of its own making."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import schemas
from schemas.periods import instant, period_of
from schemas.policies import Budget, InForce, SharedCredentialRule
from schemas.signals import Alert, AlertBridge, Contributor
from streams.anomalies.flags import Flag
from streams.burn import anomaly_messages, messages
from streams.burn.anomaly_messages import Anomaly, Risen, Shared
from streams.burn.burn_rules import rungs_of
from streams.burn.crossing import Crossing
from streams.burn.episodes import Episodes
from streams.burn.limits import plan_of
from streams.burn.messages import TooFast
from streams.burn.outlook_messages import Outlook, outlook_alert
from streams.burn.spenders import minute_of, start_us
from streams.burn.spent import Spent
from streams.forecast import Forecast
from tests.scenarios.burn_log import us

EXAMPLES = Path(schemas.__file__).parent / "examples"
AT_US = us("2026-11-22T09:15:04")
BUDGET = Budget(id="team-code-monthly", org="acme", scope={"team": "code"}, limit=Decimal(1000), owner="dana")
PLAN = plan_of(BUDGET, InForce(policy=BUDGET, since=3, matched_since=3))
PERIOD = period_of(AT_US, "month", "UTC")

BRIDGE = AlertBridge(
    since=instant(us("2026-11-21T10:00:00")),
    until=instant(AT_US),
    baseline_since=instant(us("2026-11-20T10:00:00")),
    unit="usd",
    before=Decimal("18.25"),
    after=Decimal("48.5"),
    terms={
        "calls": Decimal("24.75"),
        "tokens_per_call": Decimal("6.000000000001"),
        "cost_per_token": Decimal("-0.500000000001"),
    },
    contributors=[Contributor(entity_type="agent", entity_id="review-bot", after=Decimal("31.2"))],
    left_open="models, prices, cache, retries and people are not told apart here: burnline explain 5f0a1b2c3d4e",
)


def without_identity(signal: dict[str, Any]) -> dict[str, Any]:
    """A signal but for what names its episode."""
    return {**signal, "id": None, "data": {**signal["data"], "alert_id": None}}


def said(draft: Alert) -> dict[str, Any]:
    """The record of a draft's opening, but for its identity."""
    alert = Episodes().fire(draft)
    assert alert is not None
    signal: dict[str, Any] = json.loads(messages.output_of(alert).value)
    assert signal["id"] == f"{alert.alert_id}/1"
    assert len(bytes.fromhex(alert.alert_id)) == 16
    return without_identity(signal)


def example(name: str) -> dict[str, Any]:
    """A golden example, but for its identity."""
    return without_identity(json.loads((EXAMPLES / f"alert.{name}.json").read_text()))


def test_threshold_alert_is_the_example() -> None:
    """800.1234 of 1000 USD crosses 0.8."""
    key = ("acme", BUDGET.id, "", PERIOD.start_us)
    spent = Spent((800_123_400, 0), (812_623_400, 0))
    [_, draft] = messages.threshold_alerts(Crossing(PLAN, key, PERIOD, spent, PLAN.steps[:2]), at=instant(AT_US))
    assert example("budget_threshold") == said(draft)


def test_threshold_alert_that_rests_on_estimates_is_the_example() -> None:
    """790 of 1000 USD are spent; with 230.25 that have no price the limit is crossed: a warning, and no more."""
    key = ("acme", BUDGET.id, "", PERIOD.start_us)
    crossing = Crossing(PLAN, key, PERIOD, Spent((790_000_000, 0), (1_020_250_000, 0)), (), PLAN.steps[1:])
    [_, draft] = messages.threshold_alerts(crossing, at=instant(AT_US))
    assert example("budget_threshold_estimated") == said(draft)


def test_unpriced_model_alert_is_the_example() -> None:
    """Three requests of a model that nobody knows the price of."""
    draft = messages.unpriced_alert(
        org="acme", model="northwind-7b", requests=Decimal(3), ceiling_usd=Decimal("1.230000"), at=instant(AT_US)
    )
    assert example("unpriced_model") == said(draft)


def test_burn_rate_alert_is_the_example() -> None:
    """31.50 USD in an hour and 3.10 in 5 min are more than 14.4 times 1000 USD per 30 days."""
    rung = rungs_of(BUDGET, nominal_sec=PERIOD.nominal_sec)[0]
    long, brief, spent = (31_500_000, 0), (3_100_000, 0), (968_500_000, 0)
    found = TooFast(PLAN, "", PERIOD, rung, rung.flat(), long, brief, spent, severity="critical", lasts_sec=3_000)
    assert example("budget_burn_rate") == said(messages.burn_rate_alert(found, at=instant(AT_US), notify=True))


def test_spike_alert_is_the_example() -> None:
    """62.40 USD an hour where 2.20 are usual; a team rose with it."""
    at_min = minute_of(AT_US) - 1
    flag = Flag(
        kind="spike", row=0, at_min=at_min, since_min=at_min - 2, window_min=3, observed_usd_per_hour=62.4,
        expected_usd_per_hour=2.2, score=6.5, threshold=1.4, p_value=0.00021,
    )  # fmt: skip
    found = Anomaly(
        key=("acme", "agent", "review-bot"),
        flag=flag,
        since=instant(start_us(flag.since_min)),
        again=False,
        risen=(Risen("team", "mobile", 48.0),),
        planned=None,
    )
    assert example("spike") == said(anomaly_messages.anomaly_alert(found, at=instant(AT_US), owner="dana"))


def test_shared_credential_alert_is_the_example() -> None:
    """Nine users are more than four."""
    rule = SharedCredentialRule(org="acme")
    draft = anomaly_messages.shared_credential_alert(rule, "key-41", Shared(9, 11), at=instant(AT_US), owner="dana")
    assert example("shared_credential") == said(draft)


def test_commitment_alert_is_the_example() -> None:
    """Of 1000 USD that were promised 640.50 were spent when the month was over."""
    over = instant(us("2026-12-01T00:00:00"))
    assert example("commitment") == said(messages.commitment_alert(PLAN, "", PERIOD, Decimal("640.5"), at=over))


def test_uncapped_alert_is_the_example() -> None:
    """Team ops spends 12.30 USD a day while two other teams have budgets."""
    key = ("acme", "team", "ops")
    draft = messages.uncapped_alert(key, Decimal("12.30"), Decimal(1), others=2, at=instant(AT_US))
    assert example("uncapped") == said(draft)


def forecast_of(p10: str, p50: str, p90: str, *, limit: int, reaches: float) -> Forecast:
    """What will have been spent of a limit at the end of the month, and that it is reached in two to six days."""
    days = (None, None, None) if reaches < 0.1 else (2, 4, 6)
    dates = [None if day is None else instant(AT_US) + timedelta(days=day) for day in days]
    return Forecast(
        now=instant(AT_US),
        period_end=instant(PERIOD.end_us),
        spent=Decimal("640.5"),
        p10=Decimal(p10),
        p50=Decimal(p50),
        p90=Decimal(p90),
        limit=Decimal(limit),
        reaches_limit_ratio=reaches,
        earliest=dates[0],
        median=dates[1],
        latest=dates[2],
    )


def test_exhaustion_alert_is_the_example() -> None:
    """640.50 of 1000 USD are spent on the 22nd; with nine chances in ten the month ends above 1000."""
    told = forecast_of("1012.123456", "1130.98765", "1400.5", limit=1000, reaches=0.9312)
    outlook = Outlook(plan=PLAN, member="", period=PERIOD, told=told, known_hours=840)
    draft = outlook_alert("exhaustion", outlook, at=instant(AT_US))
    assert example("exhaustion") == said(draft.model_copy(update={"bridge": BRIDGE}))


def test_under_use_alert_is_the_example() -> None:
    """Of 1000 USD that are committed to, 790 will be used."""
    told = forecast_of("760", "790.004", "831.115", limit=1000, reaches=0.012)
    outlook = Outlook(plan=PLAN, member="", period=PERIOD, told=told, known_hours=60)
    assert example("under_use") == said(outlook_alert("under_use", outlook, at=instant(AT_US)))
