"""What `burnline explain` prints, and what it says where it cannot explain."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.bridging import figures, told
from deploy.cli.app import app
from deploy.cli.explained import alert_lines, show
from deploy.policy_then import policy_then
from schemas.errors import InputError
from streams.bridge.bridge import Bridge, bridge
from tests.unit.test_bridge_pricing import call, side
from tests.unit.test_explain import KEY, LOG, NOW, alert


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name an alert"),
        (["0b1c6e", "--since", "7d"], "name an alert"),
        (["0b1c6e", "--where", "team=code"], "--where go with --since"),
        (["--since", "7d", "--where", "team"], "write FIELD=VALUE"),
        (["--since", "7d", "--where", "prompt=x"], "write FIELD=VALUE"),
        (["--since", "2026-11-02", "--until", "2026-11-01"], "it must lie after --since"),
    ],
)
def test_what_cannot_be_explained_is_a_sentence(arguments: list[str], sentence: str) -> None:
    """Before anything is looked for."""
    ended = CliRunner().invoke(app, ["explain", *arguments])
    assert isinstance(ended.exception, InputError)
    assert sentence in str(ended.exception)


def explanation() -> dict[str, Any]:
    """All of an alert's explanation, as the door makes it."""
    before, after = side([call()]), side([call(), call(model="gpt-4o", attempt=2)])
    row = alert("budget_threshold", at=NOW)
    then = policy_then(LOG, KEY, NOW - timedelta(hours=3))
    assert then is not None
    driver = {
        "entity_id": "", "before_usd": Decimal(0), "after_usd": Decimal("0.5"), "change_usd": Decimal("0.5"),
        "share_of_change": 1.0, "calls_before": 0, "calls_after": 2,
    }  # fmt: skip
    return {
        "alert": row, "judged": row, "policy": then.as_json(), "transitions": [row],
        "scope": {"org": "acme", "team": "code"}, "window": {"since": NOW, "until": NOW},
        "baseline": {"since": NOW, "until": NOW, "what": "the period before"},
        **told(bridge(before, after)), "figures": {"before": figures(before), "after": figures(after)},
        "without_a_known_cost": {
            "before": {"calls": 0, "ceiling_usd": Decimal(0)}, "after": {"calls": 3, "ceiling_usd": Decimal(1)}
        },
        "driven_by": {"user": [driver], "run": []}, "notes": ["something to know"],
    }  # fmt: skip


def test_what_is_printed_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    """The amounts of the bridge are printed in full, with the policy of then, who drove it and what is left out."""
    found = explanation()
    show(found)
    lines = capsys.readouterr().out.splitlines()
    drivers = {"before", "after", *(one["driver"] for one in found["bridge"])}
    told_of = [line.split() for line in lines if line.partition(" ")[0] in drivers]
    amounts = {words[0]: Decimal(words[1]) for words in told_of if words[1] != "tokens"}
    assert amounts.pop("after") == sum(amounts.values())
    assert set(amounts) == {"before", "retries"}
    text = "\n".join(lines)
    assert found["alert"]["message"] in text
    assert "since policy offset 3, by chloe" in text
    assert "changed since then, policy offset 5, by eve" in text
    assert "(none named)" in text
    assert "3 calls after whose cost is not known, at most 1.0" in text
    assert "note: something to know" in text


def test_no_name_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Names are whoever's who sent them; a terminal takes C1 controls for commands, and marks that turn text around."""
    found, trap = explanation(), "x\x9b2J\u202ey"
    found |= {"alert": found["alert"] | {"message": trap}, "scope": {"user": trap}, "notes": [trap]}
    show(found)
    printed = capsys.readouterr().out
    assert [mark for mark in ("\x9b", "\u202e") if mark in printed] == []
    assert printed.count("x\N{REPLACEMENT CHARACTER}2J") == 3


def test_a_policy_that_was_never_set_is_said() -> None:
    """The defaults held."""
    found = explanation() | {"policy": None}
    assert any("defaults held" in line for line in alert_lines(found))
    assert told(Bridge(5, 5, {"volume": 0}))["bridge"][0]["share_of_change"] is None
    assert figures({})["input_tokens_per_call"] is None
