"""Laws of the directory: whom an event is attributed to depends on the directory and on the event alone.

Long because the rules stand here once more, one after the other.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deploy.policy_files.changes import Author, change_between
from schemas.directory import (
    UNATTRIBUTED,
    Agent,
    BusinessUnit,
    CostCenter,
    Credential,
    DirectoryEntry,
    Identity,
    Team,
    User,
)
from schemas.policies import fold, key_of
from streams.rating.attribution import Attributed, Directory, Said
from streams.rating.columns import Columns
from streams.rating.decoding import decode_all
from tests.laws.rating_events import Event, deltas_of, event, new_lane, raw, records, rfc3339, rows_of, step

_QUARTER_US = 900_000_000
START_US = 1_795_338_000_000_000  # 2026-11-22T09:00:00Z
NOW = datetime.fromtimestamp(START_US / 1e6).astimezone()
quarters = st.none() | st.integers(0, 3).map(lambda n: datetime.fromisoformat(rfc3339(START_US + n * _QUARTER_US)))
few = st.sampled_from(["a", "b", "c"])
maybe = st.none() | few
SOURCES = ["gateway", "gateway/eu", "ide"]


def _kinds(org: str) -> st.SearchStrategy[DirectoryEntry]:
    of = {"org": st.just(org), "id": few, "valid_from": quarters}
    return st.one_of(
        st.builds(CostCenter, **of),
        st.builds(BusinessUnit, **of, cost_center=maybe),
        st.builds(Team, **of, business_unit=maybe, cost_center=maybe),
        st.builds(User, **of, team=maybe),
        st.builds(Agent, **of, team=maybe),
        st.builds(Credential, **of, team=maybe, user=maybe, agent=maybe),
        st.builds(
            Identity,
            **(of | {"id": st.sampled_from(["x", "y", "a "])}),
            user=few,
            source=st.sampled_from([None, "gateway", "gateway*", "*"]),
        ),
    )


directories = st.lists(_kinds("acme") | _kinds("globex"), max_size=14).map(
    lambda entries: list({key_of(entry): entry for entry in entries}.values())  # type: ignore[arg-type]  # all are
)
names = st.none() | st.sampled_from(["a", "b", "c", "x", "y", UNATTRIBUTED])
said = st.builds(
    Said,
    org=st.sampled_from(["acme", "globex", "initech"]),
    source=st.sampled_from(SOURCES),
    **dict.fromkeys(Said._fields[2:], names),
)
times = st.integers(-1, 4 * 900).map(lambda sec: START_US + sec * 1_000_000)


def history_of(entries: list[DirectoryEntry], kind: str, id_: str | None, at_us: int) -> Any:
    """The entry that holds, found by looking at all."""
    holding = [one for one in entries if one.kind == kind and one.subject == id_ and one.since_us() <= at_us]
    return max(holding, key=lambda one: one.since_us(), default=None)


def plainly(entries: list[DirectoryEntry], of: Said, at_us: int) -> Attributed:
    """The same as the rules say it, one after the other."""
    mine = [one for one in entries if one.org == of.org]
    if not mine:
        return Attributed(of.user, of.agent, of.team, of.business_unit, of.cost_center, of.user, None)

    def entry(kind: str, id_: str | None) -> Any:
        return history_of(mine, kind, id_, at_us)

    named = of.user
    for pattern in ("gateway", "gateway*", "*", None):
        fits = pattern is None or pattern == of.source or (pattern[-1] == "*" and of.source.startswith(pattern[:-1]))
        found = entry("identity", of.user if pattern is None else f"{of.user} <{pattern}>") if fits else None
        if found is not None:
            named = found.user
            break
    key = entry("credential", of.credential)
    user, agent = getattr(key, "user", None) or named, getattr(key, "agent", None) or of.agent
    word = next(
        (one.team for one in (key, entry("agent", agent), entry("user", user)) if one is not None and one.team), None
    )
    found_levels: list[str | None] = []
    believed = True
    for level in ("team", "business_unit", "cost_center"):
        if level == "business_unit":
            word = getattr(entry("team", found_levels[0]), "business_unit", None)
        if level == "cost_center":
            word = getattr(entry("team", found_levels[0]), "cost_center", None) or getattr(
                entry("business_unit", found_levels[1]), "cost_center", None
            )
        claim = None if getattr(of, level) == UNATTRIBUTED else getattr(of, level)
        now = word or (claim if believed else None)
        believed = believed and (word is None or claim is None or claim == word)
        reserved = UNATTRIBUTED if any(one.kind == level for one in mine) else None
        found_levels.append(now or reserved)
    team, unit, center = found_levels
    who = (user, agent, team, unit, center)
    claims = (of.user, of.agent, *of[5:])
    differing = {
        name: claim
        for name, claim, now in zip(("user", "agent", *Said._fields[5:]), claims, who, strict=True)
        if claim is not None and claim != now
    }
    return Attributed(*who, named, differing or None)


def crowded(dice: random.Random) -> list[DirectoryEntry]:
    """A directory in which nearly every name has an entry, and most have several."""
    moments = [None, *(datetime.fromisoformat(rfc3339(START_US + n * _QUARTER_US)) for n in range(3))]

    def names_for(kind: type[DirectoryEntry]) -> dict[str, str | None]:
        free = [name for name in kind.model_fields if name in {"team", "business_unit", "cost_center", "user", "agent"}]
        return {name: dice.choice(["a", "b", "c", None]) for name in free}

    entries: list[DirectoryEntry] = []
    for kind in (CostCenter, BusinessUnit, Team, User, Agent, Credential):
        for id_, at in dice.sample([(id_, at) for id_ in "abc" for at in moments], dice.randint(0, 6)):
            entries.append(kind(org="acme", id=id_, valid_from=at, **names_for(kind)))
    for id_, at in dice.sample([(id_, at) for id_ in "xy" for at in moments], 4):
        source = dice.choice([None, "gateway", "gateway*", "*"])
        entries.append(Identity(org="acme", id=id_, valid_from=at, user=dice.choice("abc"), source=source))
    return entries


@given(st.integers(0, 2**64).map(random.Random))
def test_attribution_is_what_the_rules_say(dice: random.Random) -> None:
    """Source before pattern before any; credential, agent, user, event; of levels above a contradiction, no claims."""
    entries = crowded(dice)
    directory = Directory(entries)
    for _ in range(60):
        claims = [dice.choice(["a", "b", "c", "x", "y", UNATTRIBUTED, None]) for _ in Said._fields[2:]]
        of = Said("acme", dice.choice(SOURCES), *claims)
        at_us = START_US + dice.randint(-1, 3) * _QUARTER_US + dice.randint(-1, 1)
        assert directory.attributed(of, at_us) == plainly(entries, of, at_us)


@given(st.integers(0, 2**64).map(random.Random))
def test_order_of_entries_and_other_events_change_nothing(dice: random.Random) -> None:
    """Shuffled entries, many events at once, and asking twice give what each event gives alone."""
    entries = crowded(dice)
    directory = Directory(dice.sample(entries, len(entries)))
    few_said = [Said("acme", "gateway", *(dice.choice("abx") for _ in Said._fields[2:])) for _ in range(2)]
    few_said += [one._replace(source="ide") for one in few_said]
    asked = [
        (of, START_US + quarter * _QUARTER_US + near)
        for of in few_said for quarter in range(3) for near in (-1, 0, 1)
    ]  # fmt: skip
    dice.shuffle(asked)
    columns = {name: [getattr(of, name) for of, _ in asked] for name in Said._fields}
    times_us = np.array([at_us for _, at_us in asked], np.int64)
    alone = [Directory(entries).attributed(of, at_us) for of, at_us in asked]
    assert [directory.all_attributed(columns, times_us) for _ in range(2)] == [alone, alone]


@given(directories, directories, said, times, st.integers(0, 3))
def test_what_holds_later_does_not_change_what_was_before(
    entries: list[DirectoryEntry], more: list[DirectoryEntry], of: Said, at_us: int, since: int
) -> None:
    """Entries that hold from a moment on attribute no event before it otherwise, but to `unattributed`."""
    moment = START_US + since * _QUARTER_US
    later = [one for one in more if one.since_us() >= moment and key_of(one) not in set(map(key_of, entries))]  # type: ignore[arg-type]  # all are
    kinds = {(one.org, one.kind) for one in entries}
    later = [one for one in later if (one.org, one.kind) in kinds]
    if at_us < moment:
        assert Directory([*entries, *later]).attributed(of, at_us) == Directory(entries).attributed(of, at_us)


_maybe_said = st.none() | st.sampled_from(["a", "b", "c", "x", "y", "stranger", "passer-by"])


@st.composite
def some_events(draw: Callable[[Any], Any]) -> list[Event]:
    """Events of three organisations, in and before the hour in which the directory changes."""
    return [
        event(
            f"e-{at}",
            time=rfc3339(START_US + draw(st.integers(-1, 900)) * 1_000_000),
            source=draw(st.sampled_from(SOURCES)),
            org=draw(st.sampled_from(["acme", "acme", "globex", "initech"])),
            **{name: draw(_maybe_said) for name in ("user", "agent", "credential", "team", "business_unit")},
        )
        for at in range(draw(st.integers(1, 8)))
    ]


@settings(max_examples=60)
@given(directories, some_events())
@example([Credential(org="acme", id="a", user="b", agent="c")], [event(credential="a", user="b", agent="c", team=None)])
def test_events_together_are_whose_each_alone_is(entries: list[DirectoryEntry], some: list[Event]) -> None:
    """In columns too, where all of whom no entry speaks are asked for at once, and keep their names."""
    columns = Columns(decode_all(records(map(raw, some))), directory=Directory(entries))
    who = [columns.text(name).words() for name in ("user", "agent", "team", "business_unit", "cost_center")]
    named = columns.codes("named_user")
    claims = columns.data.get("asserted", (None,) * len(some))
    for at, one in enumerate(some):
        said_of = [one["data"].get(name) for name in Said._fields[2:]]
        alone = plainly(entries, Said(one["data"]["org"], one["source"], *said_of), int(columns.event_us[at]))
        assert tuple(column[at] for column in who) == alone[:5]
        assert (named.values[named.codes[at]] if named.codes[at] >= 0 else None) == alone.named_user
        assert (claims[at] or None) == alone.asserted


@given(directories, some_events())
def test_no_event_is_lost_and_teams_add_up_to_the_whole(entries: list[DirectoryEntry], some: list[Event]) -> None:
    """Every event has its row at its price; per org with teams, sums by team are the org's, unattributed included."""
    plain_rows = rows_of(step(new_lane(), [raw(one) for one in some]))
    result = step(new_lane(*entries), [raw(one) for one in some])  # type: ignore[arg-type]  # all are
    rows = rows_of(result)
    who = {"user", "agent", "team", "business_unit", "cost_center", "asserted", "policy_offset"}
    assert [_without(row, who) for row in rows] == [_without(row, who) for row in plain_rows]
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for delta in deltas_of(result):
        sums[delta["org"], delta["entity_type"]]["requests"] += delta["requests"]
        sums[delta["org"], delta["entity_type"]]["pico"] += (
            delta["cost_micro_usd"] * 1_000_000 + delta["cost_pico_remainder"]
        )
    for org in {entry.org for entry in entries if entry.kind == "team"}:
        mine = [row for row in rows if row["org"] == org]
        assert all(row["team"] for row in mine)
        assert sums[org, "team"] == sums[org, "org"]
        assert sums[org, "org"]["requests"] == len(mine)
        spent: dict[str, Decimal] = defaultdict(Decimal)
        for row in mine:
            spent[row["team"]] += row["cost_usd"] or 0
        assert sum(spent.values()) == sum((row["cost_usd"] or Decimal(0) for row in mine), Decimal(0))


def _without(row: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


@given(directories, st.randoms(use_true_random=False))
def test_applying_a_directory_again_in_any_order_changes_nothing(
    entries: list[DirectoryEntry], dice: random.Random
) -> None:
    """What is in force does not depend on the order within a file, and the second time there is no change."""
    whole = [*entries, *_missing(entries)]
    author = Author(actor="dana", at=NOW, files=())
    first = change_between({}, tuple(whole), (), author=author)  # type: ignore[arg-type]  # all are
    if first is None:
        return
    in_force = fold({}, first, offset=0)
    assert change_between(in_force, tuple(dice.sample(whole, len(whole))), (), author=author) is None  # type: ignore[arg-type]  # as above
    again = type(first).model_validate_json(first.model_dump_json())
    assert fold({}, again, offset=0) == in_force


def _missing(entries: list[DirectoryEntry]) -> list[DirectoryEntry]:
    """Entries for what is referred to and has none."""
    models = {"user": User, "agent": Agent, "team": Team, "business_unit": BusinessUnit, "cost_center": CostCenter}
    there = {(one.org, one.kind, one.id) for one in entries}
    named = {(one.org, kind, id_) for one in entries for kind, id_ in one.refers_to()}
    return [models[kind](org=org, id=id_) for org, kind, id_ in sorted(named - there)]
