"""How `burnline explain` prints: the alert, its policy and transitions, the bridge, and who drove it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from deploy.cli import output
from deploy.cli.output import put, put_table
from deploy.evidence_words import lines as evidence_lines
from deploy.moments import in_utc
from schemas.money import plain

Json = Mapping[str, Any]
_DRIVERS = {
    "volume": "more or fewer calls",
    "retries": "attempts again",
    "model_mix": "which models, tiers and places",
    "input_length": "longer or shorter inputs",
    "cache": "how much of the input a cache held",
    "output_length": "longer or shorter answers",
    "reasoning": "reasoning tokens",
    "beside_tokens": "searches, seconds, pages",
    "price": "other rates for the same",
    "other": "what rates do not explain",
    "charges": "seats, contracts, refunds",
}
_FIGURES = {
    "calls": "calls",
    "retries": "attempts again",
    "models": "models",
    "input_tokens_per_call": "input tokens per call",
    "cache_read_to_input_ratio": "of it read from a cache",
    "output_tokens_per_call": "output tokens per call",
    "reasoning_tokens_per_call": "reasoning tokens per call",
}


def show(told: Json) -> None:
    """All of an explanation, as far as it goes."""
    if "alert" in told:
        for line in alert_lines(told):
            put(output.plain(line))
        put("")
        _show_transitions(told["transitions"])
        put("")
    if "series" in told:
        from deploy.anomaly_series import lines

        for line in (*drawn, "") if (drawn := list(lines(told["series"]))) else ():
            put(line)
    if "bridge" in told:
        _show_bridge(told)
    for note in told["notes"]:
        put(output.plain(f"note: {note}"))


def alert_lines(told: Json) -> Iterator[str]:
    """An alert, what it was judged by and who set that, a line each."""
    alert, judged = told["alert"], told["judged"]
    yield alert["message"]
    yield ""
    quiet = "" if alert["mode"] == "live" else f", {alert['mode']}"
    yield f"alert      {alert['alert_id']}, {alert['status']}, {alert['severity']}, {alert['topic']}{quiet}"
    yield f"whose      {alert['org']}, {alert['entity_type']} {alert['entity_id']}, owner {alert['owner'] or 'nobody'}"
    limit = f"{plain(judged['value'])} against {plain(judged['threshold'])} {judged['unit']}"
    yield f"judged     {alert['rule']} {alert['level']}: {limit}, {judged['basis']}, at {_time(judged['at'])}"
    yield from evidence_lines(judged["evidence"], judged["unit"])
    if alert["period_start"] is not None:
        yield f"period     {_time(alert['period_start'])} to {_time(alert['period_end'])}"
    yield from _policy_lines(told["policy"])


def _policy_lines(policy: Json | None) -> Iterator[str]:
    if policy is None:
        yield "policy     none of this rule was in force: its defaults held"
        return
    files = f" ({', '.join(policy['files'])})" if policy["files"] else ""
    since = f"since policy offset {policy['policy_offset']}, by {policy['changed_by']} at {policy['changed_at'][:19]}Z"
    yield f"policy     {policy['kind']} {policy['id']} {since}{files}"
    hidden = {"kind", "id", "org", "policy_offset", "changed_by", "changed_at", "files", "increases", "changed_again"}
    said = {name: value for name, value in policy.items() if name not in hidden and value not in (None, [], {}, False)}
    yield f"           {', '.join(f'{name} {_said(value)}' for name, value in said.items())}"
    for one in policy["increases"]:
        yield f"           increased by {one['amount']} until {one['ends']} ({one['id']})"
    again = policy["changed_again"]
    if again is not None:
        yield f"           changed since then, policy offset {again['policy_offset']}, by {again['changed_by']}"


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return " and ".join(f"{name}={one}" for name, one in value.items())
    return "/".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _show_transitions(transitions: Sequence[Json]) -> None:
    cells = [
        (one["seq"], _time(one["at"]), one["status"], one["severity"], plain(one["value"]), plain(one["threshold"]),
         one["unit"], one["basis"], "yes" if one["notify"] else "no")
        for one in transitions
    ]  # fmt: skip
    head = ["seq", "at (UTC)", "status", "severity", "value", "threshold", "unit", "basis", "notified"]
    put_table(head, cells, right=("seq", "value", "threshold"))


def _show_bridge(told: Json) -> None:
    window, baseline = told["window"], told["baseline"]
    whose = ", ".join(f"{name} {value}" for name, value in told["scope"].items()) or "everybody"
    put(output.plain(f"spend of   {whose}"))
    put(f"window     {_time(window['since'])} to {_time(window['until'])}")
    put(f"against    {_time(baseline['since'])} to {_time(baseline['until'])}, {baseline['what']}")
    put("")
    lines = [("before", _usd(told["before_usd"]), "", "")]
    lines += [
        (one["driver"], _change(one["change_usd"]), _percent(one["share_of_change"]), _DRIVERS[one["driver"]])
        for one in told["bridge"]
        if one["change_usd"]
    ]
    lines.append(("after", _usd(told["after_usd"]), "", f"{_change(told['difference_usd'])} in all"))
    put_table(["driver", "USD", "of the change", "what"], lines, right=("USD", "of the change"))
    put("")
    figures = told["figures"]
    cells = [
        (label, _figure(name, figures["before"]), _figure(name, figures["after"])) for name, label in _FIGURES.items()
    ]
    put_table(["figure", "before", "after"], cells, right=("before", "after"))
    _show_unknown(told["without_a_known_cost"])
    for name, drivers in told["driven_by"].items():
        if drivers:
            put("")
            _show_drivers(name, drivers)


def _show_unknown(unknown: Json) -> None:
    for when, one in unknown.items():
        if one["calls"]:
            most = f"at most {_usd(one['ceiling_usd'])} USD"
            calls = "1 call" if one["calls"] == 1 else f"{one['calls']:,} calls"
            put(f"not in it: {calls} {when} whose cost is not known, {most}")


def _show_drivers(name: str, drivers: Sequence[Json]) -> None:
    cells = [
        (one["entity_id"] or "(none named)", _usd(one["before_usd"]), _usd(one["after_usd"]),
         _change(one["change_usd"]), _percent(one["share_of_change"]),
         f"{one['calls_before']:,}", f"{one['calls_after']:,}")
        for one in drivers
    ]  # fmt: skip
    numbers = ("USD before", "USD after", "change", "of the change", "calls before", "calls after")
    put_table([name, *numbers], cells, right=numbers)


def _figure(name: str, figures: Json) -> str:
    value = figures[name]
    if value is None:
        return "-"
    return f"{value:.1%}" if name.endswith("_ratio") else f"{value:,}"


def _usd(amount: Decimal) -> str:
    """An amount in full: what is printed adds up to the last digit."""
    return f"{amount:,.12f}"


def _change(amount: Decimal) -> str:
    return f"{'+' if amount > 0 else ''}{_usd(amount)}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _time(at: datetime) -> str:
    return f"{in_utc(at):%Y-%m-%d %H:%M:%S}Z"
