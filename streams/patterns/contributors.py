"""Who and what made something that is told: so many calls, or micro-USD, by team, agent and model. Pure.

Laws
1. Never people, nor their keys: whoever asks for those asks the ledger (`burnline explain`), which can forget them.
2. Of each kind the first `MOST_KEPT` names are counted, exactly; whoever makes names up makes nothing grow.
3. The three with most are named, with their share of all of it: what names nobody is in the whole, and in no share.
"""

from collections.abc import Iterable, Mapping

from streams.patterns.rows import Ints, Rows

KINDS = ("team", "agent", "model")
MOST_KEPT = 16
MOST_NAMED = 3
Tally = dict[str, dict[str, int]]
"""By kind and name; what the numbers count, who adds them knows."""


def add(tally: Tally, kind: str, name: str | None, amount: int) -> None:
    """The name has made so much more of it."""
    if name is not None:
        add_name(tally.setdefault(kind, {}), name, amount)


def add_name(held: dict[str, int], name: str | None, amount: int) -> None:
    """The same within one kind."""
    if name in held:
        held[name] += amount
    elif name is not None and len(held) < MOST_KEPT:
        held[name] = amount


def add_rows(tally: Tally, rows: Rows, places: Iterable[int], amounts: Ints, *, kinds: Iterable[str] = KINDS) -> None:
    """These rows have made so much more of it; `amounts` is a column of all rows."""
    columns = [(kind, rows.texts(kind)) for kind in kinds if rows.has(kind)]
    for place in places:
        for kind, names in columns:
            add(tally, kind, names[place], int(amounts[place]))


def joined(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    found: Tally = {}
    for tally in tallies:
        for kind, held in tally.items():
            for name, amount in held.items():
                add(found, kind, name, amount)
    return found


def named(tally: Mapping[str, Mapping[str, int]], whole: int, *, but: str = "") -> dict[str, str]:
    """As evidence, `by_team` and so on: "code 62%, mobile 8%"; nothing of a kind that nobody named, or of `but`."""
    found = {}
    for kind in KINDS:
        most = sorted(tally.get(kind, {}).items(), key=lambda one: (-one[1], one[0]))[:MOST_NAMED]
        if kind != but and whole > 0 and most:
            found[f"by_{kind}"] = ", ".join(f"{name} {share(amount, whole)}" for name, amount in most if amount > 0)
    return {name: text for name, text in found.items() if text}


def share(amount: int, whole: int) -> str:
    """A share as a percentage, rounded down: nobody has all of it who has not."""
    return f"{100 * amount // whole}%"
