"""How budgets stand, and where they will end."""
# ruff: noqa: S608  all parts are constants; Grafana puts in the chosen time and organisations

from deploy.dashboards.panels import ORG, Dashboard, Panel

_OPEN = f"{ORG} AND period_start <= now() AND period_end > now()"

BUDGETS = Dashboard(
    uid="burnline-budgets",
    title="Burnline: budgets and forecast",
    since="now-30d",
    panels=(
        Panel(
            question="How many budgets are breached?",
            sql=f"SELECT countIf(status = 'breached') AS budgets FROM budget_states WHERE {_OPEN}",
            kind="stat",
            width=6,
            bad_from=1,
        ),
        Panel(
            question="How many will be, if it goes on like this?",
            # What no forecast is known of is no zero: it is neither good nor bad.
            sql="SELECT if(countIf(forecast IS NOT NULL) = 0, NULL,\n"
            "  countIf(status != 'breached' AND forecast > limit)) AS budgets\n"
            f"FROM budget_states WHERE {_OPEN}",
            kind="stat",
            width=6,
            bad_from=1,
            nothing="no forecast yet",
        ),
        Panel(
            question="What may calls without a price add to open budgets?",
            sql=f"SELECT sum(estimated_usd) AS usd FROM budget_states WHERE {_OPEN} AND unit = 'usd'",
            kind="stat",
            width=12,
            unit="currencyUSD",
        ),
        Panel(
            question="Which budgets are nearest to their limit?",
            sql="SELECT budget_id AS budget, member, status, spent_to_limit_ratio, spent, limit, forecast, unit,\n"
            "  owner, period_end\n"
            f"FROM budget_states WHERE {_OPEN} ORDER BY spent_to_limit_ratio DESC LIMIT 30",
            width=24,
            nothing="there is no budget",
        ),
        Panel(
            question="Which thresholds were crossed, and when?",
            sql="SELECT at AS time, severity, basis, message FROM alert_events\n"
            f"WHERE {ORG} AND topic = 'alerts.budgets' AND status = 'firing' AND $__timeFilter(at)\n"
            "ORDER BY at DESC LIMIT 100",
            width=24,
            height=7,
            nothing="none",
        ),
        Panel(
            question="What did each team spend a day?",
            sql="SELECT toDateTime(t) AS time, toString(team) AS team, sum(cost_usd) AS usd\n"
            f"FROM usage_1d_utc WHERE {ORG} AND $__dateFilter(t) GROUP BY time, team ORDER BY time",
            kind="timeseries",
            unit="currencyUSD",
            bars=True,
        ),
        Panel(
            question="What do seats, commitments and credits add a day?",
            sql="SELECT toDateTime(day) AS time, toString(kind) AS kind, sum(amount_usd) AS usd\n"
            f"FROM charges_daily WHERE {ORG} AND $__dateFilter(day) GROUP BY time, kind ORDER BY time",
            kind="timeseries",
            unit="currencyUSD",
            bars=True,
        ),
    ),
)
