"""Whether the pipeline is well: what its tables say, and what its processes tell Prometheus."""
# ruff: noqa: S608  all parts are constants; Grafana puts in the chosen time and organisations

from deploy.dashboards.panels import ORG, QUARTER, WHOLE, Dashboard, Panel

HEALTH = Dashboard(
    uid="burnline-health",
    title="Burnline: is the pipeline well?",
    panels=(
        Panel(
            question="How old is the newest event?",
            sql="SELECT dateDiff('second', max(received_at), now64(6)) AS seconds FROM usage_events\n"
            f"WHERE {ORG} AND ts >= now() - INTERVAL 1 DAY",
            kind="stat",
            width=6,
            unit="s",
        ),
        Panel(
            question="How old are burn rates?",
            sql=f"SELECT dateDiff('second', max(window_end), now64(6)) AS seconds FROM burn_now WHERE {ORG}",
            kind="stat",
            width=6,
            unit="s",
        ),
        Panel(
            question="How many records could not be counted?",
            sql="SELECT count() AS records FROM dead_letters WHERE $__timeFilter(append_time)",
            kind="stat",
            width=6,
            bad_from=1,
        ),
        Panel(
            question="On how many days did rollups differ?",
            sql="SELECT sum(days_unequal) AS days FROM reconciliations WHERE kind = 'run' AND $__timeFilter(at)",
            kind="stat",
            width=6,
            bad_from=1,
        ),
        Panel(
            question="How many calls a minute were made?",
            sql="SELECT $__timeInterval(t) AS time, toString(environment) AS environment,\n"
            "  sum(requests) * 60 / $__interval_s AS calls_per_min\n"
            f"FROM usage_15m WHERE {ORG} AND $__timeFilter(t) AND {WHOLE}\n"
            "GROUP BY time, environment ORDER BY time",
            kind="timeseries",
            width=24,
            shortest=QUARTER,
            nothing="no quarter of an hour of this time is over",
        ),
        Panel(
            question="How long after it happened does an event arrive?",
            sql="SELECT $__timeInterval(received_at) AS time,\n"
            "  quantile(0.5)(dateDiff('second', ts, received_at)) AS median_sec,\n"
            "  quantile(0.95)(dateDiff('second', ts, received_at)) AS p95_sec\n"
            f"FROM usage_events WHERE {ORG} AND $__timeFilter(received_at) GROUP BY time ORDER BY time",
            kind="timeseries",
            unit="s",
        ),
        Panel(
            question="How long does a heartbeat take to burn and into the store?",
            sql="SELECT toDateTime(sent_at) AS time,\n"
            "  max(dateDiff('millisecond', sent_at, published_at)) / 1000 AS to_burn_sec,\n"
            "  max(dateDiff('millisecond', sent_at, stored_at)) / 1000 AS to_store_sec\n"
            "FROM heartbeats WHERE $__timeFilter(sent_at) GROUP BY time ORDER BY time",
            kind="timeseries",
            unit="s",
        ),
        Panel(
            question="What could not be counted, and why?",
            sql="SELECT reason, count() AS records, max(append_time) AS last, any(message) AS example\n"
            "FROM dead_letters WHERE $__timeFilter(append_time) GROUP BY reason ORDER BY records DESC",
            height=6,
            nothing="everything was counted",
        ),
        Panel(
            question="What did the last comparisons find?",
            sql="SELECT at, state, days, days_unequal AS unequal, events_compared AS compared,\n"
            "  events_restored AS restored\n"
            "FROM reconciliations WHERE $__timeFilter(at) ORDER BY at DESC LIMIT 20",
            height=6,
            nothing="none in this time; they are made at 03 UTC",
        ),
        Panel(
            question="Do alerts reach their destinations?",
            sql="SELECT route, destination, status, count() AS alerts, max(at) AS last, any(reason) AS reason\n"
            f"FROM deliveries WHERE {ORG} AND $__timeFilter(at) GROUP BY route, destination, status ORDER BY route",
            width=24,
            height=6,
            nothing="there was none to tell, or there is no route",
        ),
        Panel(
            question="Which stage is behind, and for how long?",
            promql="burnline_oldest_waiting_seconds",
            legend="{{stage}}",
            kind="timeseries",
            unit="s",
            nothing="no Prometheus reads the numbers: docs/operating.md",
        ),
        Panel(
            question="How long does a transaction take?",
            promql="sum by (process) (rate(burnline_transaction_seconds_sum[5m]))"
            " / sum by (process) (rate(burnline_transaction_seconds_count[5m]))",
            legend="{{process}}",
            kind="timeseries",
            unit="s",
            nothing="no Prometheus reads the numbers: docs/operating.md",
        ),
        Panel(
            question="How many events a second became what?",
            promql="sum by (became) (rate(burnline_events_total[5m]))",
            legend="{{became}}",
            kind="timeseries",
            nothing="no Prometheus reads the numbers: docs/operating.md",
        ),
        Panel(
            question="How much memory does each part take?",
            promql="burnline_part_memory_bytes",
            legend="{{part}}",
            kind="timeseries",
            unit="bytes",
            nothing="no Prometheus reads the numbers: docs/operating.md",
        ),
    ),
)
