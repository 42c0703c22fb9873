"""Who burns how fast, now and over the chosen time."""
# ruff: noqa: S608  all parts are constants; Grafana puts in the chosen time and organisations

from deploy.dashboards.panels import ORG, QUARTER, WHOLE, Dashboard, Panel

_NOW = f"{ORG} AND window_sec = 300 AND window_end >= now() - INTERVAL 10 MINUTE"
_TEAMS = f"{ORG} AND entity_type = 'team' AND window_sec = 300"

BURN = Dashboard(
    uid="burnline-burn",
    title="Burnline: what burns now",
    since="now-6h",
    refresh="30s",
    panels=(
        Panel(
            question="How many dollars an hour burn now?",
            sql=f"SELECT sum(usd_per_hour) AS usd_per_hour FROM burn_now WHERE entity_type = 'org' AND {_NOW}",
            kind="stat",
            width=6,
            unit="currencyUSD",
        ),
        Panel(
            question="How many tokens a minute?",
            sql=f"SELECT sum(tokens_per_min) AS tokens_per_min FROM burn_now WHERE entity_type = 'org' AND {_NOW}",
            kind="stat",
            width=6,
        ),
        Panel(
            question="What was spent today (UTC)?",
            sql=f"SELECT sum(cost_usd) AS usd FROM usage_15m WHERE {ORG} AND t >= toStartOfDay(now('UTC'))",
            kind="stat",
            width=6,
            unit="currencyUSD",
        ),
        Panel(
            question="How many calls of today have no price?",
            sql=f"SELECT sum(unpriced_requests) AS calls FROM usage_15m WHERE {ORG} AND t >= toStartOfDay(now('UTC'))",
            kind="stat",
            width=6,
            bad_from=1,
        ),
        Panel(
            question="How many dollars an hour did each team burn?",
            # Rates are told of what happens while somebody looks; what was imported is known by quarters of an hour.
            sql="SELECT time, team, usd_per_hour FROM (\n"
            "SELECT toDateTime(window_end) AS time, entity_id AS team, max(usd_per_hour) AS usd_per_hour\n"
            "FROM burn_rates\n"
            f"WHERE {_TEAMS} AND $__timeFilter(window_end)\n"
            "GROUP BY time, team\n"
            "UNION ALL\n"
            "SELECT t AS time, toString(team) AS team, sum(cost_usd) * 4 AS usd_per_hour\n"
            f"FROM usage_15m WHERE {ORG} AND $__timeFilter(t) AND {WHOLE} AND team != ''\n"
            f"  AND t < (SELECT if(count() = 0, now(), min(window_end)) FROM burn_rates\n"
            f"    WHERE {_TEAMS} AND $__timeFilter(window_end))\n"
            "GROUP BY time, team) ORDER BY time",
            kind="timeseries",
            width=24,
            unit="currencyUSD",
        ),
        *(
            Panel(
                question=f"Which {name} burn the most now?",
                sql=f"SELECT entity_id AS {entity_type}, usd_per_hour, tokens_per_min, requests\n"
                f"FROM burn_now WHERE entity_type = '{entity_type}' AND {_NOW}\n"
                "ORDER BY usd_per_hour DESC LIMIT 15",
                width=8,
                nothing="none within ten minutes",
            )
            for entity_type, name in (("agent", "agents"), ("model", "models"), ("credential", "keys"))
        ),
        Panel(
            question="How many dollars an hour did each model cost?",
            sql="SELECT $__timeInterval(t) AS time, toString(model) AS model,\n"
            "  sum(cost_usd) * 3600 / $__interval_s AS usd_per_hour\n"
            f"FROM usage_15m WHERE {ORG} AND $__timeFilter(t) AND {WHOLE}\n"
            "GROUP BY time, model HAVING usd_per_hour > 0 ORDER BY time",
            kind="timeseries",
            width=24,
            unit="currencyUSD",
            bars=True,
            shortest=QUARTER,
        ),
    ),
)
