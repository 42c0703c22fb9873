"""What is not normal, and what was told to whom."""
# ruff: noqa: S608  all parts are constants; Grafana puts in the chosen time and organisations

from deploy.dashboards.panels import ORG, Dashboard, Panel

ANOMALIES = Dashboard(
    uid="burnline-anomalies",
    title="Burnline: anomalies and alerts",
    since="now-7d",
    panels=(
        Panel(
            question="How many alerts are open?",
            sql=f"SELECT severity, count() AS alerts FROM alerts WHERE {ORG} AND status != 'resolved' AND mode = 'live'"
            " AND notify\nGROUP BY severity ORDER BY indexOf(['critical', 'warning', 'info'], severity)",
            kind="stat",
            nothing="none",
        ),
        Panel(
            question="How many alerts did not reach a destination?",
            sql=f"SELECT count() AS deliveries FROM deliveries WHERE {ORG} AND status = 'parked' AND $__timeFilter(at)",
            kind="stat",
            bad_from=1,
        ),
        Panel(
            question="Which alerts are open, the newest first?",
            sql="SELECT opened_at, severity, rule, message\n"
            f"FROM alerts WHERE {ORG} AND status != 'resolved' AND mode = 'live' AND notify\n"
            "ORDER BY opened_at DESC LIMIT 50",
            width=24,
            nothing="none is open",
        ),
        Panel(
            question="What was unusual, and by how much?",
            sql="SELECT opened_at, status, detector, score, message\n"
            f"FROM anomalies WHERE {ORG} AND mode = 'live' AND $__timeFilter(opened_at)\n"
            "ORDER BY opened_at DESC LIMIT 50",
            width=24,
            height=6,
            nothing="nothing was",
        ),
        Panel(
            question="How many alerts does each rule raise a day?",
            sql="SELECT toDateTime(toStartOfDay(opened_at)) AS time, rule, count() AS alerts\n"
            f"FROM alerts WHERE {ORG} AND mode = 'live' AND $__timeFilter(opened_at) GROUP BY time, rule ORDER BY time",
            kind="timeseries",
            width=8,
            bars=True,
            nothing="none",
        ),
        Panel(
            question="How long after its cause is an alert there?",
            sql="SELECT rule, count() AS alerts, quantile(0.5)(delay_sec) AS median_sec,\n"
            "  max(delay_sec) AS longest_sec\n"
            f"FROM alert_times WHERE {ORG} AND $__timeFilter(at) GROUP BY rule ORDER BY alerts DESC",
            width=8,
            nothing="none came",
        ),
        Panel(
            question="How long do alerts stay open?",
            sql="SELECT rule, count() AS alerts,\n"
            "  quantile(0.5)(dateDiff('second', opened_at, resolved_at)) AS median_sec\n"
            f"FROM alerts WHERE {ORG} AND mode = 'live' AND resolved_at IS NOT NULL AND $__timeFilter(opened_at)\n"
            "GROUP BY rule ORDER BY alerts DESC",
            width=8,
            nothing="none was resolved",
        ),
    ),
)
