"""Data that is processed where it must not be: the region of a call against what policy allows its class of data.

Where a call does not say its region, nobody knows that the data stayed: that is a finding, too.
"""

from streams.patterns.findings import Seen, see
from streams.patterns.in_force import matches
from streams.patterns.rows import Rows
from streams.patterns.state import PatternsState
from streams.ports import Output

UNKNOWN = "unknown"


def take(state: PatternsState, rows: Rows) -> list[Output]:
    """What opens with these rows."""
    policies = state.policies
    if policies is None or not rows.has("data_class"):
        return []
    outputs: list[Output] = []
    inferred, regions = rows.texts("inference_region"), rows.texts("region")
    teams = rows.texts("team")
    for (org, data_class), places in rows.groups("data_class"):
        rule = policies.rule(org)
        allowed = rule.data_regions.get(data_class)
        if allowed is None or not rule.enabled:
            continue
        by_place: dict[tuple[str, str | None], list[int]] = {}
        for place in places:
            region = inferred[place] or regions[place]
            if region is None or not matches(region, allowed):
                by_place.setdefault((region or UNKNOWN, teams[place]), []).append(place)
        for (region, team), some in by_place.items():
            outputs += see(state, rows, some, _seen(org, data_class, region, team))
    return outputs


def _seen(org: str, data_class: str, region: str, team: str | None) -> Seen:
    where = "in a region that is not known" if region == UNKNOWN else f"in {region}, which policy does not allow"
    subject = (org, "org", org) if team is None else (org, "team", team)
    return Seen(
        "sovereignty",
        f"{data_class} in {region}",
        subject,
        f"{subject[1]} {subject[2]} has {data_class} data processed {where}: {{calls}}",
        {"data_class": data_class, "region": region},
        severity="warning" if region == UNKNOWN else "critical",
    )
