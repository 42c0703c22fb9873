"""What applying policies sends: only what changes, never twice, never half."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from deploy.policy_files import PolicyFile, read_policies
from deploy.policy_files.changes import MAX_CHANGE_BYTES, Author, change_between, key_from
from schemas.errors import PolicyError
from schemas.policies import Budget, Horizon, InForce, Policies, fold, key_of

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
AUTHOR = Author(actor="dana", at=NOW, files=("budgets.toml",))
FILE = b"""
org = "acme"

[[budget]]
id = "code"
scope = { team = "code" }
limit = 10.50

[horizon]
live_horizon = "48h"
"""


def policies_in(content: bytes) -> tuple[object, ...]:
    """The policies of one file."""
    return read_policies([PolicyFile("budgets.toml", content)])


def in_force_after(content: bytes) -> Policies:
    """What is in force when the file was applied at offset 3."""
    change = change_between({}, read_policies([PolicyFile("budgets.toml", content)]), (), author=AUTHOR)
    assert change is not None
    return fold({}, change, offset=3)


def test_numbers_are_read_as_they_are_written() -> None:
    """A limit of 10.50 is exactly 10.50, and a duration of 48h is 172,800 seconds."""
    budget, horizon = policies_in(FILE)
    assert isinstance(budget, Budget)
    assert isinstance(horizon, Horizon)
    assert (budget.limit, horizon.live_horizon_sec) == (Decimal("10.50"), 172_800)


def test_money_may_stand_in_quotes() -> None:
    """A decimal in quotes is the same number."""
    assert policies_in(FILE.replace(b"10.50", b'"10.50"')) == policies_in(FILE)


def test_byte_order_mark_and_windows_lines_are_read() -> None:
    """A file that an editor of another system wrote says the same."""
    assert policies_in(b"\xef\xbb\xbf" + FILE.replace(b"\n", b"\r\n")) == policies_in(FILE)


def test_applying_again_sends_nothing() -> None:
    """What is in force already is no change."""
    wanted = read_policies([PolicyFile("budgets.toml", FILE)])
    assert change_between(in_force_after(FILE), wanted, (), author=AUTHOR) is None


def test_only_what_differs_is_sent() -> None:
    """A new limit of one budget is a change of that budget alone."""
    wanted = read_policies([PolicyFile("budgets.toml", FILE.replace(b"10.50", b"11"))])
    change = change_between(in_force_after(FILE), wanted, (), author=AUTHOR)
    assert change is not None
    assert [policy.id for policy in change.sets] == ["code"]


def test_same_limit_written_otherwise_is_no_change() -> None:
    """10.5 and 10.50 are one number."""
    wanted = read_policies([PolicyFile("budgets.toml", FILE.replace(b"10.50", b"10.5"))])
    assert change_between(in_force_after(FILE), wanted, (), author=AUTHOR) is None


def test_removed_policy_is_named_as_it_is_shown() -> None:
    """KIND/ORG/ID finds the policy, and the change takes it out of force."""
    before = in_force_after(FILE)
    key = key_from("budget/acme/code", before)
    change = change_between(before, (), [key], author=AUTHOR)
    assert change is not None
    assert key not in fold(before, change, offset=4)


def test_unknown_removal_is_refused_with_the_nearest_name() -> None:
    """Removing what is not in force says what is."""
    with pytest.raises(PolicyError, match='did you mean "budget/acme/code"'):
        key_from("budget/acme/cod", in_force_after(FILE))


def test_setting_and_removing_at_once_is_refused() -> None:
    """A policy that stands in a file cannot be removed by the same command."""
    before = in_force_after(FILE)
    wanted = read_policies([PolicyFile("budgets.toml", FILE.replace(b"10.50", b"11"))])
    with pytest.raises(PolicyError, match="both in a file and in --remove"):
        change_between(before, wanted, [("budget", "acme", "code")], author=AUTHOR)


def test_same_policy_in_two_files_is_refused() -> None:
    """Two files that set one policy are a mistake that names both."""
    with pytest.raises(PolicyError, match=r"stands in a\.toml and in b\.toml"):
        read_policies([PolicyFile("a.toml", FILE), PolicyFile("b.toml", FILE)])


def test_change_too_large_for_a_message_is_refused() -> None:
    """More policies than one message holds are refused before anything is sent."""
    budget = Budget(id="x" * 200, org="acme", limit=Decimal(1), owner="o" * 250)
    many = tuple(budget.model_copy(update={"id": f"{number}-{'x' * 20_000}"}) for number in range(400))
    with pytest.raises(PolicyError, match="apply fewer files"):
        change_between({}, many, (), author=AUTHOR)


def test_large_file_is_refused_before_it_is_read() -> None:
    """A file beyond a million bytes is not parsed."""
    with pytest.raises(PolicyError, match="at most 1,000,000"):
        read_policies([PolicyFile("big.toml", b"#" * 1_000_001)])


def test_in_force_values_are_kept() -> None:
    """What is in force and in no file stays."""
    before: dict[tuple[str, str, str], InForce] = dict(in_force_after(FILE))
    wanted = read_policies([PolicyFile("more.toml", b'[[budget]]\nid = "web"\norg = "acme"\nlimit = 1\n')])
    change = change_between(before, wanted, (), author=AUTHOR)
    assert change is not None
    assert set(before) < set(fold(before, change, offset=4))


DIRECTORY = b"""
org = "acme"
[[team]]
id = "code"
[[user]]
id = "ana"
team = "code"
[[user]]
id = "ana"
valid_from = 2026-12-01
"""


def test_a_directory_keeps_who_was_where() -> None:
    """An entry from some day on stands beside the one before; both are told apart by their day, and can be removed."""
    before = in_force_after(DIRECTORY)
    assert sorted(before) == [("team", "acme", "code"), ("user", "acme", "ana"), ("user", "acme", "ana@2026-12-01")]
    change = change_between(before, (), [key_from("user/acme/ana@2026-12-01", before)], author=AUTHOR)
    assert change is not None
    assert change.removes == (("user", "acme", "ana@2026-12-01"),)


def test_a_name_without_an_entry_is_refused_with_the_nearest_one() -> None:
    """Whether it is mistyped in the file, or what it refers to is taken out of force."""
    wrong = read_policies([PolicyFile("a.toml", DIRECTORY.replace(b'team = "code"', b'team = "coed"'))])
    with pytest.raises(PolicyError, match=r'"ana": team = "coed": there is no .* of that id; did you mean "code"'):
        change_between({}, wrong, (), author=AUTHOR)
    with pytest.raises(PolicyError, match=r'team = "code": there is no .* of that id; write one'):
        change_between(in_force_after(DIRECTORY), (), [("team", "acme", "code")], author=AUTHOR)


def test_an_alias_of_a_user_is_no_user() -> None:
    """A name that is both leads nowhere for sure; within one source it may be."""
    both = b'\n[[user]]\nid = "bo"\n[[identity]]\nid = "bo"\nuser = "ana"\n'
    with pytest.raises(PolicyError, match='"bo": this is the id of a user itself'):
        in_force_after(DIRECTORY + both)
    assert ("identity", "acme", "bo <ide*>") in in_force_after(DIRECTORY + both + b'source = "ide*"\n')


def test_a_table_of_people_is_the_same_as_csv() -> None:
    """With commas or semicolons, as a spreadsheet writes it."""
    people = "type,id,team,valid_from,name\r\nteam,code,,,\r\nuser,ana,code,,\r\n,,,,\r\nuser,ana,,2026-12-01,\r\n"
    wanted = read_policies([PolicyFile("people.toml", DIRECTORY)])
    for text in (people, people.replace(",", ";")):
        file = PolicyFile("people.csv", b"\xef\xbb\xbf" + text.encode())
        assert read_policies([file], org="acme") == wanted


def test_the_page_about_the_directory_can_be_applied() -> None:
    """Its organisation as it stands there, then its table of people."""
    page = (Path(__file__).parents[2] / "docs" / "directory.md").read_text()
    [organisation] = re.findall("```toml\n(.*?)```", page, re.DOTALL)
    [people] = re.findall("```csv\n(.*?)```", page, re.DOTALL)
    files = [PolicyFile("organisation.toml", organisation.encode()), PolicyFile("people.csv", people.encode())]
    first = change_between({}, read_policies(files[:1]), (), author=AUTHOR)
    assert first is not None
    then = change_between(fold({}, first, offset=0), read_policies(files[1:], org="acme"), (), author=AUTHOR)
    assert then is not None
    assert ("user", "acme", "bo@2026-12-01") in map(key_of, then.sets)


def test_ten_thousand_people_are_one_change() -> None:
    """Taken or refused as a whole, within what the topic takes; and read within seconds."""
    lines = ["type,id,org,team,name", "team,code,acme,,"]
    lines += [f"user,user-{n},acme,code,Person Number {n}" for n in range(10_000)]
    people = read_policies([PolicyFile("people.csv", "\n".join(lines).encode())])
    change = change_between({}, people, (), author=AUTHOR)
    assert change is not None
    assert len(change.sets) == 10_001
    assert len(change.model_dump_json()) < MAX_CHANGE_BYTES / 2


INCREASE = b"""
[[budget_increase]]
id = "launch"
org = "acme"
budget = "BUDGET"
amount = 50
ends = 2026-12-01
"""


def test_an_increase_is_of_a_budget_that_is_there() -> None:
    """It may come with its budget or after it, and a budget that has one is not removed alone."""
    before = in_force_after(FILE)
    launch = read_policies([PolicyFile("more.toml", INCREASE.replace(b"BUDGET", b"code"))])
    assert change_between(before, launch, (), author=AUTHOR) is not None
    lost = read_policies([PolicyFile("more.toml", INCREASE.replace(b"BUDGET", b"cod"))])
    with pytest.raises(PolicyError, match=r'"launch": there is no budget "cod"; did you mean "code"\?'):
        change_between(before, lost, (), author=AUTHOR)
    with pytest.raises(PolicyError, match="acme has no budget"):
        change_between(before, launch, (("budget", "acme", "code"),), author=AUTHOR)
    ana = read_policies([PolicyFile("more.toml", INCREASE.replace(b'"BUDGET"', b'"code"\nmember = "ana"'))])
    with pytest.raises(PolicyError, match='budget "code" is for no members'):
        change_between(before, ana, (), author=AUTHOR)
    tokens = in_force_after(FILE.replace(b"10.5", b"10").replace(b'id = "code"', b'id = "code"\nunit = "tokens"'))
    half = read_policies([PolicyFile("more.toml", INCREASE.replace(b"BUDGET", b"code").replace(b"50", b"0.5"))])
    with pytest.raises(PolicyError, match=r"amount = 0\.5 of tokens: write a whole number"):
        change_between(tokens, half, (), author=AUTHOR)


def test_the_page_about_budgets_shows_a_file_that_is_taken() -> None:
    """What `docs/budgets.md` shows can be applied as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "budgets.md").read_text()
    [shown] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    change = change_between({}, read_policies([PolicyFile("budgets.toml", shown.encode())]), (), author=AUTHOR)
    assert change is not None
    assert [policy.id for policy in change.sets] == ["code-monthly", "each-user", "fiscal-year", "launch"]
