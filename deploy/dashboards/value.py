"""What a unit of work costs, and what is wasted."""

from deploy.dashboards.panels import ORG, Dashboard, Panel

_EVENTS = f"FROM usage_events WHERE {ORG} AND $__timeFilter(ts)"
_ROLLUP = f"FROM usage_1h WHERE {ORG} AND $__timeFilter(t)"

VALUE = Dashboard(
    uid="burnline-value",
    title="Burnline: unit cost and waste",
    since="now-7d",
    refresh="5m",
    panels=(
        Panel(
            question="What does one outcome that succeeds cost?",
            sql="SELECT outcome_type, team, use_case, outcomes, failed, cost_usd, cost_per_success_usd AS each_usd,\n"
            "  cost_per_success_low_usd AS low_usd, cost_per_success_high_usd AS high_usd\n"
            f"FROM unit_costs WHERE {ORG} ORDER BY cost_usd DESC LIMIT 20",
            width=16,
            nothing="no outcomes were sent: docs/value.md",
        ),
        Panel(
            question="What was wasted, and what of it could be had back?",
            sql="SELECT kind, count() AS calls, sum(cost_usd) AS usd, sum(recoverable_usd) AS recoverable_usd\n"
            f"FROM waste_findings WHERE {ORG} AND $__timeFilter(ts) GROUP BY kind ORDER BY usd DESC",
            width=8,
            nothing="nothing that can be shown",
        ),
        Panel(
            question="What does one task cost, by use case?",
            sql="SELECT use_case, uniqExact(task) AS tasks, sum(cost_usd) AS usd,\n"
            "  toFloat64(usd) / nullIf(tasks, 0) AS usd_per_task\n"
            f"{_EVENTS} AND task != '' GROUP BY use_case ORDER BY usd DESC LIMIT 20",
        ),
        Panel(
            question="What does a million tokens of each model come to?",
            sql="SELECT model, if(sum(unpriced_requests) = sum(requests), NULL, sum(cost_usd)) AS usd,\n"
            "  sum(input_tokens) + sum(output_tokens) AS tokens,\n"
            "  toFloat64(usd) / nullIf(tokens, 0) * 1e6 AS usd_per_mtok, sum(unpriced_requests) AS unpriced_calls\n"
            f"{_ROLLUP} GROUP BY model ORDER BY usd DESC NULLS LAST LIMIT 20",
        ),
        Panel(
            question="How much of the input comes from the cache?",
            sql="SELECT $__timeInterval(t) AS time, toString(team) AS team,\n"
            "  sum(input_cache_read_tokens) / nullIf(sum(input_tokens), 0) AS cached_to_input_ratio\n"
            f"{_ROLLUP} GROUP BY time, team ORDER BY time",
            kind="timeseries",
            width=24,
            unit="percentunit",
        ),
        Panel(
            question="What do repeated attempts cost?",
            sql="SELECT team, model, count() AS repeated_calls, sum(cost_usd) AS usd\n"
            f"{_EVENTS} AND attempt > 1 GROUP BY team, model ORDER BY usd DESC LIMIT 20",
        ),
        Panel(
            question="What do failed calls cost?",
            sql="SELECT team, model, countIf(status = 'error') AS failed_calls,\n"
            "  sumIf(cost_usd, status = 'error') AS usd\n"
            f"{_EVENTS} GROUP BY team, model HAVING failed_calls > 0\n"
            "ORDER BY usd DESC, failed_calls DESC LIMIT 20",
        ),
        Panel(
            question="Which runs were the dearest?",
            sql="SELECT run, any(agent) AS agent, any(team) AS team, count() AS calls, sum(cost_usd) AS usd,\n"
            "  dateDiff('minute', min(ts), max(ts)) AS minutes\n"
            f"{_EVENTS} AND run != '' GROUP BY run ORDER BY usd DESC LIMIT 20",
            width=24,
        ),
        Panel(
            question="How much spend belongs to nobody?",
            sql="SELECT toDateTime(day) AS time, toString(org) AS org, unattributed_cost_usd\n"
            f"FROM attribution_daily WHERE {ORG} AND $__dateFilter(day) AND unattributed_cost_usd != 0 ORDER BY time",
            kind="timeseries",
            unit="currencyUSD",
            bars=True,
            nothing="none: all of it has a team",
        ),
        Panel(
            question="What do our own prices save against the list?",
            sql="SELECT provider, model, sum(list_cost_usd) - sum(cost_usd) AS saved_usd\n"
            f"{_ROLLUP} GROUP BY provider, model HAVING saved_usd != 0 ORDER BY saved_usd DESC LIMIT 20",
            nothing="nothing: every price is the list's",
        ),
    ),
)
