"""Pictures of Grafana's dashboards from a stack's answers. It is not Grafana: places, titles, units, colours, data are.

    python draw.py ../grafana/dashboards answers.json ../../docs/pictures

A file of its own that imports no room: it runs in the environment of `pictures.lock`. Long because it draws each of
the panel types that our dashboards use, and nothing else would read their parts.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found]  # of another environment
from matplotlib import dates, figure, ticker
from PIL import Image  # type: ignore[import-not-found]  # of another environment

COLUMN_IN, ROW_IN, GAP_IN, HEAD_IN = 0.58, 0.34, 0.07, 0.5
DPI = 100
INK, SOFT, LINE, PAPER = "#1f2328", "#656d76", "#d8dee4", "#ffffff"
PAGE = "#f4f5f5"
COLOURS = (
    *("#1f78c1", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#8a5a2b", "#e377c2", "#5b6770", "#f2cc0c", "#00b3b3"),
    *("#0a2f6b", "#8fd16a", "#f4a3a3", "#b6a4e3", "#5e5200", "#6fb7ff"),
)
"""Far from each other in hue or in lightness: neighbours in a legend are told apart, which Grafana leaves to chance."""
NAMED = {"text": INK, "green": "#37872d", "orange": "#e0752d", "red": "#c4162a"}
Answer = Mapping[str, Any]
_EM_IN = 0.076
"""About the width of a letter of the tables' text."""


def worded(value: object, unit: str) -> str:
    """A value as a panel of that unit writes it."""
    if value is None:
        return "–"  # noqa: RUF001  a dash, as Grafana shows what is not there
    if isinstance(value, bool | str):
        return _moment(str(value))
    number = float(value)  # type: ignore[arg-type]  # JSON has nothing else here
    if unit == "currencyUSD":
        return f"${number:,.2f}" if abs(number) >= 1 or number == 0 else f"${number:.2g}"
    if unit == "percentunit":
        return f"{number:.1%}"
    if unit == "percent":
        return f"{number:.1f}%"
    if unit in {"s", "m"}:
        return _duration(number * (60 if unit == "m" else 1))
    if unit == "bytes":
        return f"{number / 2**20:,.0f} MiB"
    return _short(number)


def _short(number: float) -> str:
    for size, name in ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K")):
        if abs(number) >= size:
            return f"{number / size:.3g}{name}"
    return f"{number:.3g}"


def _duration(sec: float) -> str:
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "mins"), (1, "s"), (1e-3, "ms")):
        if sec >= (2 * size if name == "days" else size):
            return f"{sec / size:.3g} {name}"
    return f"{sec:g} s"


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S") if text[4:5] == "-" == text[7:8] else text
    except ValueError:
        return text


def _colour(defaults: Mapping[str, Any], value: object) -> str:
    """Of the highest threshold that the value has reached."""
    found = "text"
    for step in defaults.get("thresholds", {}).get("steps", ()):
        if step["value"] is None or (isinstance(value, int | float) and value >= step["value"]):
            found = step["color"]
    return NAMED[found]


def _units(panel: Mapping[str, Any], column: str) -> str:
    """The unit of a table's column: that of the last override whose pattern it has, else the panel's."""
    found = str(panel["fieldConfig"]["defaults"]["unit"])
    for override in panel["fieldConfig"]["overrides"]:
        parts = override["matcher"]["options"].strip("/^$()").split("|")
        if any(column == part or (part.startswith(".*") and column.endswith(part[2:])) for part in parts):
            found = next((one["value"] for one in override["properties"] if one["id"] == "unit"), found)
    return found


def stat(axes: Any, panel: Mapping[str, Any], answer: Answer) -> None:  # noqa: ANN401  another environment's type
    """One big number, or one of each row with its name."""
    defaults = panel["fieldConfig"]["defaults"]
    shown = [(" ".join(map(str, row[:-1])), row[-1]) for row in answer["rows"] if row[-1] is not None]
    if not shown:
        axes.text(0.5, 0.4, defaults.get("noValue", "No data"), ha="center", va="center", fontsize=20, color=SOFT)
    for place, (name, value) in enumerate(shown):
        x = (place + 0.5) / len(shown)
        size = 26 if len(shown) == 1 else 19
        text = worded(value, defaults["unit"])
        axes.text(x, 0.42, text, ha="center", va="center", fontsize=size, color=_colour(defaults, value), weight="bold")
        axes.text(x, 0.1, name, ha="center", va="center", fontsize=9, color=SOFT)


def table(axes: Any, panel: Mapping[str, Any], answer: Answer) -> None:  # noqa: ANN401  another environment's type
    """Rows with their head, as many as there is room for; numbers to the right."""
    names: list[str] = answer["columns"]
    room = int(panel["gridPos"]["h"] * ROW_IN / 0.235) - 3
    texts = [[worded(value, _units(panel, name)) for name, value in zip(names, row, strict=True)]
             for row in answer["rows"]]  # fmt: skip
    if not texts:
        nothing = panel["fieldConfig"]["defaults"].get("noValue", "No data")
        axes.text(0.5, 0.5, nothing, ha="center", va="center", fontsize=12, color=SOFT)
        return
    wants = [max(len(name), *(len(row[place]) for row in texts)) + 2 for place, name in enumerate(names)]
    wide = sum(wants) * _EM_IN
    has = panel["gridPos"]["w"] * COLUMN_IN - 0.3
    over, longest = max(0, round((wide - has) / _EM_IN)), max(range(len(names)), key=lambda place: wants[place])
    wants[longest] -= over
    spread = max(1.0, has / (sum(wants) * _EM_IN))
    left = 0.012
    for place, name in enumerate(names):
        width = wants[place] * _EM_IN * spread / has * 0.985
        numbers = any(isinstance(row[place], int | float) for row in answer["rows"])
        x, side = (left + width - 0.01, "right") if numbers else (left, "left")
        for line, text in enumerate([name, *(row[place] for row in texts[:room])]):
            cut = text if len(text) <= wants[place] else text[: wants[place] - 2] + "…"
            y = 1 - (line + 0.6) / (room + 1.2)
            axes.text(x, y, cut, ha=side, va="center", fontsize=8.2, color=SOFT if line == 0 else INK,
                      weight="bold" if line == 0 else "normal", parse_math=False)  # fmt: skip
        left += width
    for line in range(min(room, len(texts))):
        axes.axhline(1 - (line + 1.1) / (room + 1.2), color=LINE, linewidth=0.6)


def timeseries(axes: Any, panel: Mapping[str, Any], answer: Answer) -> None:  # noqa: ANN401  another environment's type
    """Lines or stacked bars over time with a legend; what the last column but the names counts, by name."""
    defaults = panel["fieldConfig"]["defaults"]
    series = _series(answer)
    if not series:
        axes.text(0.5, 0.5, defaults.get("noValue", "No data"), ha="center", va="center", fontsize=12, color=SOFT)
        return
    axes.set_axis_on()
    custom = defaults.get("custom", {})
    if custom.get("drawStyle") == "bars":
        moments = sorted({at for points in series.values() for at in points})
        gaps = [(b - a).total_seconds() for a, b in pairwise(moments)]
        since, until = (datetime.fromisoformat(answer[end]) for end in ("since", "until"))
        width = min(gaps, default=(until - since).total_seconds() / 8) / 86_400 * 0.9
        above, below = dict.fromkeys(moments, 0.0), dict.fromkeys(moments, 0.0)
        for number, (name, points) in enumerate(series.items()):
            heights = [points.get(at) or 0.0 for at in moments]
            bases = [(below if height < 0 else above)[at] for at, height in zip(moments, heights, strict=True)]
            axes.bar(moments, heights, width, bases, align="edge", label=name, color=COLOURS[number % len(COLOURS)])
            for at, height in zip(moments, heights, strict=True):
                (below if height < 0 else above)[at] += height
    else:
        for number, (name, points) in enumerate(series.items()):
            marker = "o" if len(points) < 3 else None
            axes.plot(list(points), list(points.values()), label=name, marker=marker, markersize=3, linewidth=1.3,
                      color=COLOURS[number % len(COLOURS)])  # fmt: skip
    axes.set_ylim(bottom=defaults.get("min"))
    ends = axes.get_xlim()  # a bar that begins before the end of the time is shown whole
    axes.set_xlim(*(datetime.fromisoformat(answer[end]) for end in ("since", "until")))
    axes.set_xlim(right=max(ends[1], axes.get_xlim()[1]) if custom.get("drawStyle") == "bars" else None)
    axes.yaxis.set_major_locator(_ticks(defaults["unit"], axes.get_ylim()))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: worded(float(value), defaults["unit"])))
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
    axes.tick_params(labelsize=8, colors=SOFT, length=0)
    axes.grid(visible=True, color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.09), ncols=_legend_columns(panel), fontsize=7.5,
                frameon=False, labelcolor=INK, handlelength=1, columnspacing=1.2)  # fmt: skip


def _ticks(unit: str, ends: tuple[float, float]) -> Any:  # noqa: ANN401  another environment's type
    """Labels of whole seconds, minutes, hours, days or hundreds of MiB, so that they are short."""
    bases = {"s": (86_400.0, 3600.0, 60.0), "bytes": (100.0 * 2**20,)}.get(unit, ())
    base = next((one for one in bases if ends[1] >= 2 * one), None)
    if base is None:
        return ticker.MaxNLocator(6)
    times = next((n for n in (1, 2, 5, 10, 20, 50, 100) if (ends[1] - ends[0]) / (n * base) <= 6), 200)
    return ticker.MultipleLocator(times * base)


def _legend_columns(panel: Mapping[str, Any]) -> int:
    return max(2, int(panel["gridPos"]["w"]) // 3)


def _series(answer: Answer) -> dict[str, dict[datetime, float | None]]:
    """The plugin's way from long to wide: names of all text columns, else the column's own name."""
    found: dict[str, dict[datetime, float | None]] = {}
    names = answer["columns"][1:]
    for row in answer["rows"]:
        labels = [value for value in row[1:] if isinstance(value, str)]
        for name, value in zip(names, row[1:], strict=True):
            if not isinstance(value, str):
                key = " ".join(labels) if labels else name
                found.setdefault(key or "(none)", {})[datetime.fromisoformat(row[0])] = value
    return found


KINDS: Mapping[str, Callable[[Any, Mapping[str, Any], Answer], None]] = {
    "stat": stat,
    "table": table,
    "timeseries": timeseries,
}


def picture(dashboard: Mapping[str, Any], told: Mapping[str, Any], *, at: str) -> Any:  # noqa: ANN401  as above
    """The dashboard as one figure: each panel at its place of Grafana's 24 columns."""
    high = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    width, height = 24 * COLUMN_IN, high * ROW_IN + HEAD_IN
    drawn = figure.Figure(figsize=(width, height), dpi=DPI, facecolor=PAGE)
    since = _moment(told["since"])[:16]
    drawn.text(0.012, 1 - 0.28 / height, dashboard["title"], fontsize=15, weight="bold", color=INK, va="center")
    note = f"{since} to {_moment(at)[:16]} UTC; drawn by deploy/dashboards/draw.py, not by Grafana"
    drawn.text(0.988, 1 - 0.28 / height, note, fontsize=8.5, color=SOFT, va="center", ha="right")
    for panel in dashboard["panels"]:
        answer = {**told["panels"][str(panel["id"])], "since": told["since"], "until": at}
        _place(drawn, panel, answer, width=width, height=height)
    return drawn


def _place(drawn: Any, panel: Mapping[str, Any], answer: Answer, *, width: float, height: float) -> None:  # noqa: ANN401  as above
    place = panel["gridPos"]
    x, y = place["x"] * COLUMN_IN + GAP_IN, height - HEAD_IN - (place["y"] + place["h"]) * ROW_IN + GAP_IN
    w, h = place["w"] * COLUMN_IN - 2 * GAP_IN, place["h"] * ROW_IN - 2 * GAP_IN
    back = drawn.add_axes((x / width, y / height, w / width, h / height), facecolor=PAPER)
    back.set_xticks(())
    back.set_yticks(())
    for side in back.spines.values():
        side.set_color(LINE)
    back.text(0.09 / w, 1 - 0.17 / h, panel["title"], fontsize=9.5, weight="bold", color=INK, va="center")
    plain = panel["type"] != "timeseries" or not answer["rows"]
    lines = 0 if plain else -(-len(_series(answer)) // _legend_columns(panel))
    left, low, top = (0.02, 0.04, 0.34) if plain else (0.74, 0.4 + 0.14 * lines, 0.4)
    inner = ((x + left) / width, (y + low) / height, (w - left - (0.02 if plain else 0.15)) / width,
             (h - low - top) / height)  # fmt: skip
    axes = drawn.add_axes(inner, facecolor="none")
    axes.set_axis_off()
    if plain:
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    KINDS[panel["type"]](axes, panel, answer)


def _palette() -> Any:  # noqa: ANN401  another environment's type
    """Every colour that is drawn, and its way to white: a palette made of a picture would make two of a legend one."""
    drawn = dict.fromkeys((PAGE, LINE, INK, SOFT, *NAMED.values(), *COLOURS))
    steps = 256 // len(drawn)
    shades = [
        round(255 - (255 - int(colour[at : at + 2], 16)) * step / steps)
        for colour in drawn
        for step in range(1, steps + 1)
        for at in (1, 3, 5)
    ]
    found = Image.new("P", (1, 1))
    found.putpalette(shades + [255] * (768 - len(shades)))
    return found


def main(words: Sequence[str]) -> int:
    """0 when a picture of every dashboard stands in the folder."""
    folder, answers, out = (Path(word) for word in words)
    mpl.rcParams["font.family"] = "DejaVu Sans"
    told = json.loads(answers.read_text())
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        dashboard = json.loads(path.read_text())
        target = out / f"{path.stem}.png"
        picture(dashboard, told["dashboards"][dashboard["uid"]], at=told["at"]).savefig(target)
        with Image.open(target) as image:
            small = image.convert("RGB").quantize(palette=_palette(), dither=Image.Dither.NONE)
        small.save(target, optimize=True)
        sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
