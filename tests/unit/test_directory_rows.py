"""The directory as the store keeps it, and the ledger attributed anew by it."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy.reattributing import Moves, differing
from schemas.aliases import Alias
from schemas.directory import DirectoryEntry, Identity, Team, User
from schemas.policies import Policies, PolicyChange, fold, key_of
from sinks.directory_rows import directory_rows
from sinks.forgetting import NAMINGS
from streams.rating.attribution import Directory

DAY = datetime(2026, 11, 22, tzinfo=UTC)
ENTRIES: tuple[Team | User | Identity, ...] = (
    Team(org="acme", id="code", owner="dana"),
    Team(org="acme", id="web"),
    User(org="acme", id="ana", team="code", name="Ana"),
    User(org="acme", id="ana", team="web", valid_from=DAY + timedelta(hours=9)),
    Identity(org="acme", id="ana@acme.example", user="ana", source="ide*"),
)


def change(*sets: Any, removes: tuple[Any, ...] = ()) -> PolicyChange:
    """A change of policies."""
    return PolicyChange(change_id="c", actor="dana", at="", files=(), sets=sets, removes=removes)


@given(st.integers(0, 2**64).map(random.Random))
def test_rows_that_survive_are_the_entries_in_force(dice: random.Random) -> None:
    """Of each entry the row of the highest offset, unless it is deleted; stored twice, or anew from anywhere, too."""
    changes, policies = list[tuple[int, PolicyChange]](), dict[Any, Any]()
    for offset in range(dice.randint(1, 8)):
        sets = dice.sample(ENTRIES, dice.randint(0, 3))
        named = {key_of(one) for one in sets}
        removes = tuple(key for key in policies if key not in named and dice.random() < 0.4)
        noise = (Alias(org="acme", credential="a", becomes=f"b{offset}"),)
        changes.append((offset, change(*sets, *noise, removes=removes)))
        policies = fold(policies, changes[-1][1], offset=offset)
    again = changes[dice.randrange(len(changes)) :]
    rows = [row for some in (changes, again) for row in directory_rows(some).to_pylist()]
    newest: dict[Any, Any] = {}
    for row in rows:
        key = (row["entity_type"], row["org"], row["policy_id"])
        newest[key] = max(row, newest.get(key, row), key=lambda one: one["policy_offset"])
    stood = {key: row["entity_id"] for key, row in newest.items() if not row["is_deleted"]}
    assert stood == {
        key: entry.policy.id for key, entry in policies.items() if isinstance(entry.policy, DirectoryEntry)
    }


def test_a_row_says_all_of_an_entry() -> None:
    """The time since when in seconds, 0 for always; what is not said is empty."""
    table = directory_rows([(4, change(*ENTRIES[3:]))])
    user, identity = table.to_pylist()
    assert (user["policy_id"], user["since"]) == ("ana@2026-11-22T09:00Z", DAY + timedelta(hours=9))
    assert (identity["source"], identity["user"], identity["team"], identity["since"].year) == ("ide*", "ana", "", 1970)
    assert (user["policy_offset"], user["is_deleted"]) == (4, 0)


def test_forgetting_reaches_the_directory() -> None:
    """What is about the person, and where they own something."""
    assert [one.how for one in NAMINGS if one.table == "directory_store"] == ["gone", "in place"]


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A row of the ledger as it is asked for."""
    said = {
        "ts": DAY + timedelta(hours=number), "source": "gateway", "id": f"call-{number}", "revision": 1,
        "correction": 0, "org": "acme", "user": "ana", "agent": "", "credential": "", "team": "", "business_unit": "",
        "cost_center": "", "model": "gpt-4o", "input_tokens": 10, "output_tokens": None, "cost_usd": Decimal("0.5"),
    }  # fmt: skip
    return said | changes


def policies_of(entries: tuple[Team | User | Identity, ...]) -> Policies:
    """These entries in force."""
    return fold({}, change(*entries), offset=0)


def test_what_the_directory_says_otherwise_is_found_at_the_event_s_own_time() -> None:
    """A row that is right is left alone, so that asking again changes nothing; budgets lose and gain the same."""
    directory = Directory().under(policies_of(ENTRIES))
    rows = [row(8), row(9), row(10, team="web"), row(11, user="bo", team="sales"), row(12, user="bo"), row(13, org="o")]
    moves = Moves(("org", "team"))
    found = list(differing(rows, directory, moves))
    assert [(one["id"], one["team"]) for one in found] == [
        ("call-8", "code"), ("call-9", "web"), ("call-12", "unattributed"),
    ]  # fmt: skip
    assert (moves.looked_at, moves.differ) == (6, 3)
    assert {key[1:]: line.events for key, line in moves.lines.items()} == {
        ("", "code"): 1, ("", "web"): 1, ("", "unattributed"): 1,
    }  # fmt: skip
    assert sum(one.cost_usd for one in moves.budgets()) == sum(one.requests for one in moves.budgets()) == 0
    right = [one | {name: value or "" for name, value in new.items() if name in one and name != "version"}
             for one, new in zip([rows[0], rows[1], rows[4]], found, strict=True)]  # fmt: skip
    assert list(differing(right, directory, Moves(("org",)))) == []


def test_a_removed_entry_leaves_what_it_attributed() -> None:
    """Only another word of the directory moves what is stored; to move it, say where it belongs."""
    directory = Directory().under(policies_of(ENTRIES[:2]))
    assert list(differing([row(8, team="code")], directory, Moves(("org",)))) == []
