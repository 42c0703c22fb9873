"""The figures of `burnline bench burn` as a person reads them: each beside what it must reach. Pure."""

from collections.abc import Mapping, Sequence

from deploy.bench.burn import Figures, Spread
from deploy.bench.burn_memory import Case, Memory

HEAD = ("what", "median", "95 of 100", "most", "goal")
MOST_TICK_MS = 50
MOST_KIB = 4
MOST_KNOWN_MIB = 2048
MOST_RECOVERY_SEC = 10


def lines(found: Figures, memory: Mapping[Case, Memory]) -> list[tuple[str, ...]]:
    """A line per figure: what it is, median, 95th of a hundred, most, goal."""
    all_ = f"{found.entities:,}"
    busy = f"a second of log, {found.tick_busy_ms.runs} of them, 2 % of {all_} entities used"
    told = [
        _spread(f"tick: {busy}", found.tick_busy_ms, goal=f"<= {MOST_TICK_MS} ms"),
        _spread("... of these: nothing is said", found.tick_busy_silent_ms),
        _spread("... of these: rates and budget states are said (each 5 s)", found.tick_busy_saying_ms),
        _spread("tick: nobody used", found.tick_quiet_ms),
        _spread(f"tick: all {all_} used within the second", found.tick_all_ms),
        ("delta rows counted per CPU second", *_rows(found.rows_per_sec), ""),
        _one("usage.rates: entities said a minute", f"{found.rates_entities_per_min:,.0f}"),
        _one("usage.rates: volume a minute", f"{found.rates_kib_per_min:,.0f} KiB"),
        _one(f"checkpoint of {all_} entities", f"{found.checkpoint_mib:,.1f} MiB"),
    ]
    whole = found.restore_cpu_sec + found.replay_cpu_sec
    replayed = f"recovery: checkpoint read {found.restore_cpu_sec:.1f} s, then {found.replayed_messages} messages"
    told.append(
        _one(f"{replayed} {found.replay_cpu_sec:.1f} s", f"{whole:.1f} s CPU", goal=f"<= {MOST_RECOVERY_SEC} s")
    )
    kib = {name: size / 1024 for name, size in found.row_bytes.items()}
    told.append(_one("an entity's windows and history", f"{kib['entities']:.1f} KiB", goal=f"<= {MOST_KIB} KiB each"))
    told.append(_one("... its windows once more for each budget of its own", f"{kib['members']:.1f} KiB"))
    told.append(_one("... of a credential, who uses it", f"{kib['credentials']:.1f} KiB"))
    return told + [_memory(case, one) for case, one in memory.items()]


def _memory(case: Case, one: Memory) -> tuple[str, ...]:
    what = f"memory: {one.entities:,} entities, {case} ({one.window_rows:,} rows of windows)"
    if case == "active":
        return _one(what, f"{one.kib_per_entity():.1f} KiB each")
    goal = f"<= {MOST_KNOWN_MIB:,} MiB" if case == "known for weeks" else ""
    return _one(what, f"{one.mib:,.0f} MiB", goal=goal)


def _one(what: str, figure: str, *, goal: str = "") -> tuple[str, ...]:
    return (what, figure, "", "", goal)


def _spread(what: str, found: Spread, *, goal: str = "") -> tuple[str, ...]:
    return (what, *(f"{one:.1f} ms" for one in (found.median, found.p95, found.most)), goal)


def _rows(found: Spread) -> Sequence[str]:
    return (f"{found.median:,.0f}", "", "")
