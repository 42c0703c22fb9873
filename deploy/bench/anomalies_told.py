"""What `burnline bench anomalies` measured beside what is asked of it, a line for each."""

from collections.abc import Iterable

from deploy.bench.anomalies import Cost, Quiet, Recall
from deploy.bench.anomalies_series import SeriesResult

HEAD = ("what", "asked for", "is")
_TOLD: dict[str, str] = {
    "spike": "95 % in 3 min",
    "loop": "95 % in 3 min",
    "leak": "80 % within 12 h of doubling",
    "silence": "told in a day",
    "stranger": "90 % in 10 min",
    "newcomer": "-",
}


def lines(series: SeriesResult | None, found: Iterable[Quiet | Recall | Cost]) -> list[tuple[str, str, str]]:
    """The lines of the table, in the order in which they were measured."""
    told = []
    if series is not None:
        told.append(("NAB, development half", ">= 56", f"{series.at_half.nab_score:.1f}"))
    for one in found:
        if isinstance(one, Quiet):
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(one.flags.items())) or "none"
            asked = "1 flag per key and week, at most 7" if one.keys < _MANY_KEYS else "10 a day in all"
            told.append(
                (
                    f"{one.name}: nothing planted, {one.keys:,} keys, {one.days:.3g} days",
                    asked,
                    f"{one.per_key_week:.3g} per key and week, {one.per_day:.1f} a day ({kinds})",
                )
            )
        elif isinstance(one, Recall):
            told.append((f"{one.name}: {one.kind}", _TOLD[one.kind], f"{one.in_time_ratio:.0%} of {one.planted}"))
        else:
            told.append(
                (
                    f"a minute of {one.keys:,} keys",
                    "10 ms",
                    f"{one.mean_ms:.1f} ms, p99 {one.p99_ms:.1f}; {one.bytes_per_key} B a key",
                )
            )
    return told


_MANY_KEYS = 10_000
