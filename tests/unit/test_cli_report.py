"""How a report shows what has no price."""

from decimal import Decimal

from deploy.cli.report import without_false_zeros


def test_a_sum_over_nothing_known_is_unknown() -> None:
    """Where no request has a price the cost is None, with one that has it is the sum; nothing used costs nothing."""
    money = {"cost_usd": Decimal(0), "list_cost_usd": Decimal(0)}
    unknown = {"cost_usd": None, "list_cost_usd": None}
    for requests, unpriced, expected in ((3, 3, unknown), (3, 2, money), (0, 0, money)):
        line = {"requests": requests, "unpriced_requests": unpriced, **money}
        assert without_false_zeros(line) == line | expected
