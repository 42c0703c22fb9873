"""The questions of the monthly audit report, in its order. Pure; laws as in `queries.py`: values are parameters.

A month is [its first day, that of the next) in UTC. Views that know no organisation (corrections, reconciliations, dead
letters) are asked as a whole: they are about the installation, and so it is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sinks.queries import Query

_WITHIN = ">= {since:DateTime64(6, 'UTC')} AND {time} < {until:DateTime64(6, 'UTC')}"


@dataclass(frozen=True)
class Section:
    """A part of the report: its title, what its table says, and the question whose rows are the table."""

    title: str
    about: str
    asked: Query


_SECTIONS = (
    (
        "Spend and coverage",
        "Calls without a known cost are in no sum. Classified: use case, and task class or purpose (goal 0.95).",
        (
            "SELECT org, count() AS requests, countIf(v.cost_usd IS NULL) AS without_cost,"
            " sum(toDecimal128(v.cost_usd, 12)) AS cost_usd,"
            " sum(toDecimal128(v.ceiling_cost_usd, 12)) AS unknown_at_most_usd,"
            " round(countIf(use_case != '' AND (task_class != '' OR purpose != '')) / count(), 4) AS classified_ratio,"
            " round(countIf(identity_trust = 'authenticated') / count(), 4) AS authenticated_ratio,"
            " round(countIf(team != '' AND team != 'unattributed') / count(), 4) AS with_team_ratio"
            " FROM usage_events AS v WHERE ts {within} {org} GROUP BY org ORDER BY org"
        ),
        "ts",
    ),
    (
        "Spend by cost center",
        "Where it is booked, dearest first; days of UTC. Charges stand below.",
        (
            "SELECT u.org AS org, u.business_unit AS business_unit, u.cost_center AS cost_center, u.team AS team,"
            " sum(u.requests) AS requests, sum(u.unpriced_requests) AS without_cost, sum(u.cost_usd) AS cost_usd"
            " FROM usage_1d_utc AS u WHERE toDateTime64(u.t, 6, 'UTC') {within} {org}"
            " GROUP BY org, business_unit, cost_center, team"
            " ORDER BY org, cost_usd DESC, business_unit, cost_center, team"
        ),
        "toDateTime64(u.t, 6, 'UTC')",
    ),
    (
        "Charges beside usage",
        "Seats, contracts, refunds by the day on which their service begins.",
        (
            "SELECT org, kind, count() AS charges, sum(v.amount_usd) AS amount_usd FROM charges AS v"
            " WHERE toDateTime64(service_from, 6, 'UTC') {within} {org} GROUP BY org, kind ORDER BY org, kind"
        ),
        "toDateTime64(service_from, 6, 'UTC')",
    ),
    (
        "Price versions",
        "By which price book and rules calls were priced.",
        (
            "SELECT org, price_book_version, pricing_status, count() AS requests,"
            " sum(toDecimal128(v.cost_usd, 12)) AS cost_usd, min(ts) AS first, max(ts) AS last"
            " FROM usage_events AS v WHERE ts {within} {org} GROUP BY org, price_book_version, pricing_status"
            " ORDER BY org, first, pricing_status"
        ),
        "ts",
    ),
    (
        "Owners of use cases",
        "Each use case, dearest first; one without an owner needs a business case that names one.",
        (
            "SELECT u.org AS org, u.use_case AS use_case, if(max(p.owner) = '', 'nobody', max(p.owner)) AS owner,"
            " sum(u.requests) AS requests, sum(u.unpriced_requests) AS without_cost, sum(u.cost_usd) AS cost_usd"
            " FROM usage_1d_utc AS u"
            " LEFT JOIN (SELECT b.org AS org, b.use_case AS use_case, max(b.owner) AS owner FROM business_cases AS b"
            " GROUP BY org, use_case) AS p ON p.org = u.org AND p.use_case = u.use_case"
            " WHERE toDateTime64(u.t, 6, 'UTC') {within} {org} GROUP BY org, use_case"
            " ORDER BY org, cost_usd DESC, use_case"
        ),
        "toDateTime64(u.t, 6, 'UTC')",
    ),
    (
        "Business cases",
        "What was promised beside what came, which is a dash where nothing did. Minutes claimed and captured are two.",
        (
            "SELECT org, business_case, use_case, owner, promised_cost_usd, maxIf(v.cost_usd, {month}) AS cost_usd,"
            " promised_value_usd, maxIf(v.value_usd, {month}) AS value_usd, promised_minutes,"
            " maxIf(v.minutes_claimed, {month}) AS minutes_claimed,"
            " maxIf(v.minutes_captured, {month}) AS minutes_captured, metric, baseline, target,"
            " maxIf(v.metric_value, {month}) AS metric_value FROM business_cases AS v"
            " WHERE toDateTime64(v.starts, 6, 'UTC') < {until:DateTime64(6, 'UTC')}"
            " AND (v.ends IS NULL OR toDateTime64(v.ends, 6, 'UTC') > {since:DateTime64(6, 'UTC')}) {org}"
            " GROUP BY org, business_case, use_case, owner, promised_cost_usd, promised_value_usd, promised_minutes,"
            " metric, baseline, target ORDER BY org, business_case"
        ).replace("{month}", "toDateTime64(v.month, 6, 'UTC') {within}"),
        "toDateTime64(v.month, 6, 'UTC')",
    ),
    (
        "Budgets",
        "Periods that ended in the month, each member's of its own: how many, and how many of them beyond their limit.",
        (
            "SELECT org, budget_id, unit, count() AS periods, countIf(v.spent > v.limit) AS beyond,"
            " sum(v.limit) AS all_limits, sum(v.spent) AS all_spent,"
            " round(max(v.spent_to_limit_ratio), 4) AS worst_ratio"
            " FROM budget_states AS v WHERE period_end - INTERVAL 12 HOUR {within} {org}"
            " GROUP BY org, budget_id, unit ORDER BY org, budget_id"
        ),
        "period_end - INTERVAL 12 HOUR",
    ),
    (
        "Discovery beyond its allowance",
        "Teams that tried out more than there is an allowance for.",
        (
            "SELECT org, team, discovery_usd, allowance_usd, beyond_usd FROM discovery_allowances"
            " WHERE toDateTime64(month, 6, 'UTC') {within} {org} AND beyond_usd > 0 ORDER BY org, team"
        ),
        "toDateTime64(month, 6, 'UTC')",
    ),
    (
        "Exceptions: merged without review",
        "Changes that nobody but their author is known to have looked at.",
        (
            "SELECT org, team, use_case, count() AS changes, countIf(risk IN ('high', 'critical')) AS of_high_risk,"
            " sum(v.open_findings) AS open_findings FROM review_gap AS v WHERE merged_at {within} {org}"
            " GROUP BY org, team, use_case ORDER BY org, team, use_case"
        ),
        "merged_at",
    ),
    (
        "Waste",
        "Findings by kind; recoverable only where proven.",
        (
            "SELECT org, kind, evidence, count() AS calls, sum(toDecimal128(v.cost_usd, 12)) AS cost_usd,"
            " sum(toDecimal128(v.recoverable_usd, 12)) AS recoverable_usd FROM waste_findings AS v WHERE ts"
            " {within} {org}"
            " GROUP BY org, kind, evidence ORDER BY org, evidence DESC, kind"
        ),
        "ts",
    ),
    (
        "Left out of training data",
        "Calls that should be, by reason; the view training_exclusions names each.",
        (
            "SELECT v.org AS org, arrayJoin(v.reasons) AS reason, count() AS calls FROM training_exclusions AS v"
            " INNER JOIN (SELECT e.org AS org, e.source AS source, e.id AS id FROM usage_events AS e"
            " WHERE e.ts {within}) AS m ON m.org = v.org AND m.source = v.source AND m.id = v.id"
            " WHERE 1 {org} GROUP BY org, reason ORDER BY org, reason"
        ),
        "e.ts",
    ),
    (
        "Alerts",
        "All that were opened and wanted a reader, by rule; below, who took them on.",
        (
            "SELECT org, rule, severity, count() AS opened, countIf(resolved_at IS NOT NULL) AS resolved,"
            " countIf(owner = '') AS without_owner FROM alerts WHERE opened_at {within} {org} AND notify"
            " GROUP BY org, rule, severity ORDER BY org, rule, severity"
        ),
        "opened_at",
    ),
    (
        "Corrections",
        "Of the whole installation: what was rated or attributed anew, by whom.",
        (
            "SELECT kind, state, asked_by, asked_at, what, events_changed, cost_before_usd, cost_after_usd"
            " FROM correction_runs WHERE asked_at {within} ORDER BY asked_at, correction_id"
        ),
        "asked_at",
    ),
    (
        "Reconciliations",
        "Of the whole installation: sums held against the ledger, and against providers.",
        (
            "SELECT kind, state, count() AS runs, sum(v.days_unequal) AS days_unequal, sum(v.rows_repaired)"
            " AS rows_repaired,"
            " sum(v.events_restored) AS events_restored, max(v.at) AS last FROM reconciliations AS v WHERE at {within}"
            " GROUP BY kind, state ORDER BY kind, state"
        ),
        "at",
    ),
    (
        "Dead letters",
        "Of the whole installation: what could not be read or did not add up, and so is in no sum.",
        (
            "SELECT topic, reason, count() AS records FROM dead_letters WHERE append_time {within}"
            " GROUP BY topic, reason ORDER BY topic, reason"
        ),
        "append_time",
    ),
)


def audit_sections(since: datetime, until: datetime, *, org: str | None) -> Iterator[Section]:
    """The sections of a month, of one organisation where one is named."""
    for title, about, sql, time in _SECTIONS:
        chosen = "" if org is None else f"AND {'u.' if ' AS u ' in sql else ''}org = {{org:String}}"
        text = sql.replace("{within}", _WITHIN.replace("{time}", time)).replace("{org}", chosen)
        parameters = {"since": since, "until": until} | ({} if org is None else {"org": org})
        yield Section(title, about, Query(text, parameters))
