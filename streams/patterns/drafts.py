"""What patterns says: drafts of its alerts with their numbers, and advice about a run; plain text."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from schemas.money import PICO_PER_MICRO, plain, usd
from schemas.periods import instant
from schemas.policies import ENTITY_TYPES
from schemas.signals import ADVICE_TYPE, Advice, Alert, CloudSignal, Unit, rfc3339
from streams.burn.messages import draft
from streams.patterns.contributors import named
from streams.patterns.runs import STALLED, Loop, Run
from streams.patterns.state import PatternsState
from streams.patterns.templates import Prediction, Template
from streams.ports import Output

ADVICE_TOPIC = "control.advice"
VALID = timedelta(minutes=10)
RULES = frozenset({
    "runaway", "dear_run", "stolen_key", "unapproved", "unregistered", "sovereignty", "claimed_identity",
    "shared_at_once", "first_seen", "ownership", "unpriced_share", "throttled",
})  # fmt: skip
"""The rules whose alerts patterns sends, and nobody else."""


def finding(  # noqa: PLR0913  the fields of an alert
    state: PatternsState,
    *,
    rule: str,
    level: str,
    subject: tuple[str, str, str],
    value: Decimal,
    threshold: Decimal,
    unit: Unit,
    evidence: dict[str, str],
    message: str,
    labels: dict[str, str] | None = None,
    severity: Literal["info", "warning", "critical"] = "warning",
    topic: Literal["alerts.anomalies", "alerts.governance"] = "alerts.governance",
) -> Alert:
    """A draft of a finding about a subject (org, kind, name), with the owner whom the directory names for it."""
    org, kind, name = subject
    policies, at_us = state.policies, state.clock.lead_us
    owner = None if policies is None else policies.owners.of(org, kind, name, at_us=at_us)
    return draft(
        at=instant(at_us),
        topic=topic,
        notify=severity != "info",
        rule=rule,
        kind="anomaly" if topic == "alerts.anomalies" else "governance",
        level=level,
        severity=severity,
        org=org,
        entity_type=kind,
        entity_id=name,
        budget_id=None,
        member=None,
        period_start=None,
        period_end=None,
        unit=unit,
        value=value,
        threshold=threshold,
        owner=owner,
        labels={kind: name, **(labels or {})},
        evidence=evidence,
        message=message,
        runbook_url=None,
    )


def micro_usd(micro: int) -> Decimal:
    """Micro-USD as USD."""
    return usd(micro * PICO_PER_MICRO)


def cents(amount: Decimal) -> str:
    """USD as a person reads them; small ones to the hundredth of a cent."""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"


def whose(run: Run) -> dict[str, str]:
    """What routes an alert about a run: who it belongs to. Never more than the first that it named."""
    named = {"team": run.team, "user": run.user, "agent": run.agent, "credential": run.credential, "model": run.model}
    return {kind: name for kind, name in named.items() if name is not None}


def owned(state: PatternsState, alert: Alert) -> Alert:
    """The draft with the owner of the finest of its labels that has one, where the directory knows nobody for it."""
    if alert.owner is not None or state.policies is None:
        return alert
    owners = state.policies.owners
    named = ((kind, alert.labels[kind]) for kind in ("agent", "credential", "user", "team") if kind in alert.labels)
    found = (owners.of(alert.org, *one, at_us=state.clock.lead_us) for one in named if one[0] in ENTITY_TYPES)
    return alert.model_copy(update={"owner": next((one for one in found if one is not None), None)})


def numbers_of(run: Run, prediction: Prediction | None) -> dict[str, str]:
    """The evidence of every alert about a run."""
    found = {
        "since": rfc3339(instant(run.first_us)),
        "calls": str(run.calls),
        "failed": str(run.failed),
        "depth": str(run.depth),
        "agents": str(len(run.agents)),
        "tool_calls": str(run.tool_calls),
        "input_tokens": str(run.input_tokens),
        "output_tokens": str(run.output_tokens),
        "resend_amplification": f"{run.resend_amplification():.1f}",
        **named({"agent": run.by_agent, "model": run.by_model}, run.micro),
    }
    if run.estimated_tokens:
        found["announced_tokens"] = str(run.estimated_tokens)
    if prediction is not None:
        found["expected_usd"] = plain(micro_usd(prediction.expected_micro))
        found["high_usd"] = plain(micro_usd(prediction.high_micro))
        found["like_runs"] = str(prediction.runs)
    return found


def runaway(state: PatternsState, run: Run, loop: Loop, least_usd: Decimal, prediction: Prediction | None) -> Alert:
    """A run goes round; `value` is what going round has cost."""
    cost, minutes = micro_usd(loop.cost_micro), loop.lasts_us / 60_000_000
    return owned(
        state,
        finding(
            state,
            rule="runaway",
            level="loop",
            subject=(run.org, "run", run.run),
            topic="alerts.anomalies",
            value=cost,
            threshold=least_usd,
            unit="usd",
            labels=whose(run),
            evidence={
                **numbers_of(run, prediction),
                "since": rfc3339(instant(loop.since_us)),
                "began": rfc3339(instant(run.first_us)),
                "repeats": loop.what,
                "different": str(loop.different),
                "of_last": str(loop.of),
                "lasts_sec": str(loop.lasts_us // 1_000_000),
                "window_sec": str(loop.lasts_us // 1_000_000),
            },
            message=f"run {run.run} goes round: {_going_round(loop)}, for {minutes:.1f} min and {cents(cost)} USD; it "
            f"has made {run.calls} calls for {cents(usd(run.cost_pico()))} USD",
        ),
    )


def _going_round(loop: Loop) -> str:
    if loop.what == STALLED:
        return f"each of its last {loop.of} calls sent more than the one before and got next to nothing for it"
    return f"only {loop.different} distinct among its last {loop.of} {loop.what}"


def dear_run(  # noqa: PLR0913, PLR0917  a run and what it is held against
    state: PatternsState, run: Run, template: Template, median_micro: int, times: Decimal, prediction: Prediction
) -> Alert:
    """A run costs far more than the others of its template; `threshold` is so many times their median.

    `chance`: that a run like them costs as much in the end, at most; it is one of them, so never 0.
    """
    spent, median = usd(run.cost_pico()), micro_usd(median_micro)
    return owned(
        state,
        finding(
            state,
            rule="dear_run",
            level="variance",
            subject=(run.org, "run", run.run),
            topic="alerts.anomalies",
            value=spent,
            threshold=median * times,
            unit="usd",
            labels=whose(run),
            evidence={
                **numbers_of(run, prediction),
                "expected": plain(median),
                "median_usd": plain(median),
                "score": f"{spent / median:.2f}",
                "fires_at": f"{times:.2f}",
                "chance": f"{template.chance(run.micro):.2g}",
                "template": run.template or "",
            },
            message=f"run {run.run} has cost {cents(spent)} USD, {spent / median:.1f} times what a run of "
            f"{run.template} costs in the middle; in the end likely {cents(micro_usd(prediction.expected_micro))} USD",
        ),
    )


def advice(  # noqa: PLR0913  the fields of an advice
    run: Run,
    *,
    what: Literal["continue", "ask_owner", "stop"],
    rule: str,
    alert: Alert | None,
    prediction: Prediction | None,
    at: datetime,
    message: str,
) -> Output:
    """The record of an advice about a run, keyed by org and run."""
    said = Advice(
        org=run.org,
        entity_type="run",
        entity_id=run.run,
        advice=what,
        rule=rule,
        alert_id=None if alert is None else alert.alert_id,
        at=at,
        valid_until=at + VALID,
        calls=run.calls,
        spent_usd=usd(run.cost_pico()),
        expected_usd=None if prediction is None else micro_usd(prediction.expected_micro),
        high_usd=None if prediction is None else micro_usd(prediction.high_micro),
        like_runs=0 if prediction is None else prediction.runs,
        agent=run.agent,
        owner=None if alert is None else alert.owner,
        message=message,
    )
    name = f"{run.org}/{run.run}"
    signal = CloudSignal(
        type=ADVICE_TYPE, id=f"{name}/{rfc3339(at)}/{what}", time=at, subject=f"org/{run.org}", data=said
    )
    return Output(ADVICE_TOPIC, signal.model_dump_json().encode(), key=name.encode())
