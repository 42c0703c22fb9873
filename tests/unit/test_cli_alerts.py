"""How alerts read on a terminal."""

from deploy.cli.alerts import rule_of


def test_a_rule_with_one_rung_is_named_once() -> None:
    """`spike`, not `spike spike`; a rule with several rungs says which."""
    named = [("spike", "spike"), ("shared_credential", "shared"), ("threshold", "0.8"), ("burn_rate", "14.4x")]
    assert [rule_of(*one) for one in named] == ["spike", "shared_credential", "threshold 0.8", "burn_rate 14.4x"]
