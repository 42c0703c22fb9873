"""The picture as lines of text: `lines(picture, now=..., width=...)`. Pure.

Laws
1. No line is wider than `width`, whatever names stand in it; with a `height` there are at most so many lines.
2. Columns keep their order; at narrow widths the least important are left out, never a row.
3. Where rows do not fit the height, the longest table loses its last ones first, and says how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from deploy.cli.output import age
from deploy.top import amounts
from deploy.top.cells import Column, aligned, cut, label, table
from deploy.top.picture import AlertLine, BudgetLine, Burner, Picture, Section

Style = Literal["", "title", "head", "warn", "bad"]
_KINDS = {
    "business_unit": "business unit",
    "cost_center": "cost center",
    "use_case": "use case",
}
_BURNERS = (
    Column("USD/h 5m"),
    Column("USD 1h", rank=3),
    Column("tokens/min 5m", rank=1),
    Column("calls 1h", rank=5),
    Column("no price", rank=2),
    Column("last hour", rank=4, right=False),
)
_BUDGETS = (
    Column("budget", right=False, least=20),
    Column("used"),
    Column("spent"),
    Column("limit", rank=1),
    Column("left", rank=4),
    Column("unit", rank=2, right=False),
    Column("at end, P10..P90", rank=3),
    Column("ends", rank=5),
    Column("no price, at most", rank=7),
    Column("owner", rank=6, right=False),
)
_ALERTS = (
    Column("alert", right=False),
    Column("for", rank=1),
    Column("what", right=False, least=24),
)
_SHOWN_STYLE: dict[str, Style] = {"breached": "bad", "critical": "bad", "warned": "warn", "warning": "warn"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line and how it may look where there are colours."""

    text: str
    style: Style = ""


@dataclass(slots=True)
class _Block:
    """A table: its heading, its rows, and how many more there are (None: some)."""

    head: str
    rows: list[Line]
    more: int | None = 0
    hidden: int = field(default=0)

    def lines(self) -> list[Line]:
        """With a blank line before it."""
        found = [Line(""), Line(self.head, "head"), *self.rows]
        if self.hidden or self.more is None or self.more:
            count = "" if self.more is None else f"{self.hidden + self.more:,} "
            found.append(Line(f"... {count}more", "head"))
        return found


def lines(picture: Picture, *, now: datetime, width: int, height: int | None = None) -> list[Line]:
    """The whole picture; `height` is how many lines there is room for."""
    top = [*_title(picture, now), *_notes(picture, now)]
    blocks = [*_sections(picture, width), *_budgets(picture, now, width), *_alerts(picture, now, width)]
    if height is not None:
        _shrink(blocks, height - len(top))
    found = [*top, *(line for block in blocks for line in block.lines())]
    return [Line(cut(line.text, width), line.style) for line in found[:height]]


def _shrink(blocks: Sequence[_Block], height: int) -> None:
    while sum(len(block.lines()) for block in blocks) > height:
        longest = max(blocks, key=lambda block: len(block.rows), default=None)
        if longest is None or len(longest.rows) <= 1:
            return
        longest.rows.pop()
        longest.hidden += 1


def _title(picture: Picture, now: datetime) -> list[Line]:
    age_sec = picture.age_sec(now)
    old = "no rates yet" if age_sec is None else f"rates are {age(age_sec)} old"
    return [
        Line(f"burnline top   {now:%Y-%m-%d %H:%M:%S} UTC   {old}", "title"),
        *(
            Line(
                f"{label(one.org)}: {amounts.usd_per_hour(one)} USD/h, {amounts.count(one.tokens_per_min)} tokens/min"
                f" (5 min); {amounts.usd_of_hour(one)} USD, {one.requests:,} calls (1 h)"
            )
            for one in picture.totals
        ),
    ]


def _notes(picture: Picture, now: datetime) -> list[Line]:
    """What must be known to read the rest."""
    found = []
    last = picture.last_used
    age_sec = picture.age_sec(now)
    if picture.is_behind(now) or (age_sec is None and last is not None):
        found.append(Line("burn or the sink is behind: what follows is old; see burnline status", "bad"))
    elif age_sec is None:
        of = "" if picture.org is None else f" of org {label(picture.org)}"
        found.append(Line(f"nothing{of} has been counted yet: send usage, or see burnline replay --help"))
    elif not picture.burns():
        end = "" if last is None else f"; last usage about {last:%Y-%m-%d %H:%M} UTC"
        ago = "" if last is None else f" ({age(max(0.0, (now - last).total_seconds()))} ago)"
        found.append(Line(f"nothing burned in the last hour{end}{ago}"))
    unpriced = [total for total in picture.totals if total.unpriced_requests]
    if unpriced:
        calls = sum(total.unpriced_requests for total in unpriced)
        most = sum(total.ceiling_usd for total in unpriced)
        cost = f"at most {amounts.usd(most)} USD on top" if most else "an unknown amount on top"
        of = amounts.models(picture.unpriced_models)
        found.append(
            Line(f"no price since {picture.unpriced_since:%H:%M}: {calls:,} calls, {cost}: {label(of)}", "warn")
        )
    return found


def _sections(picture: Picture, width: int) -> list[_Block]:
    shown = [section for section in picture.sections if section.burners]
    several = len({total.org for total in picture.totals}) > 1
    names = [[_name(burner, with_org=several) for burner in section.burners] for section in shown]
    titled = [(Column(_kind(section, picture.team), right=False, least=20), cells)
              for section, cells in zip(shown, names, strict=True)]  # fmt: skip
    found = []
    for section, cells, first in zip(shown, names, aligned(titled), strict=True):
        rows = [(name, *_burning(burner)) for name, burner in zip(cells, section.burners, strict=True)]
        head, text = table((first, *_BURNERS), rows, width=width)
        found.append(_Block(head, [Line(one) for one in text], None if section.more else 0))
    if picture.burns():
        found += [
            _Block(f"no {_kind(section, picture.team)} burned in the last hour", [])
            for section in picture.sections
            if not section.burners and len(picture.sections) == 1
        ]
    return found


def _kind(section: Section, team: str | None) -> str:
    kind = _KINDS.get(section.entity_type, section.entity_type)
    return f"{kind} of {label(team)}" if team is not None else kind


def _name(burner: Burner, *, with_org: bool) -> str:
    return label(f"{burner.org}/{burner.entity_id}" if with_org else burner.entity_id)


def _burning(burner: Burner) -> tuple[str, ...]:
    return (
        amounts.usd_per_hour(burner),
        amounts.usd_of_hour(burner),
        amounts.count(burner.tokens_per_min),
        amounts.count(burner.requests),
        amounts.unpriced(burner),
        amounts.sparkline(burner.past),
    )


def _budgets(picture: Picture, now: datetime, width: int) -> list[_Block]:
    if not picture.budgets:
        return []
    several = len({line.org for line in picture.budgets}) > 1
    rows = [_budget(line, now, with_org=several) for line in picture.budgets]
    head, text = table(_BUDGETS, rows, width=width)
    styled = [Line(one, _SHOWN_STYLE.get(line.status, "")) for one, line in zip(text, picture.budgets, strict=True)]
    return [_Block(head, styled)]


def _budget(line: BudgetLine, now: datetime, *, with_org: bool) -> tuple[str, ...]:
    name = f"{line.org}/{line.budget_id}" if with_org else line.budget_id
    if line.members:
        over = f", {line.breached:,} over" if line.breached else ""
        name += f" ({line.members:,} members{over})"
    return (
        label(name),
        amounts.used(line),
        amounts.spent(line),
        amounts.in_unit(line.limit, line.unit),
        amounts.in_unit(line.limit - line.spent, line.unit),
        line.unit,
        amounts.band(line.band, line.unit),
        amounts.until(line.period_end, now),
        "-" if not line.estimated_usd else amounts.in_unit(line.estimated_usd, "usd"),
        label(line.owner) or "-",
    )


def _alerts(picture: Picture, now: datetime, width: int) -> list[_Block]:
    if not picture.alerts:
        return []
    rows = [_alert(alert, now) for alert in picture.alerts]
    head, text = table(_ALERTS, rows, width=width)
    styled = [Line(one, _SHOWN_STYLE.get(alert.severity, "")) for one, alert in zip(text, picture.alerts, strict=True)]
    return [_Block(head, styled, picture.open_alerts - len(picture.alerts))]


def _alert(alert: AlertLine, now: datetime) -> tuple[str, ...]:
    since = age(max(timedelta(0), now - alert.opened_at).total_seconds()) or "-"
    severity = alert.severity if alert.status == "firing" else f"{alert.severity} ({label(alert.status)})"
    return (severity, since, label(alert.message))
