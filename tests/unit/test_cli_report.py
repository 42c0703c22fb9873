"""How a report shows what has no price."""

from decimal import Decimal

from deploy.cli.report_lines import csv_lines, without_false_zeros


def test_a_sum_over_nothing_known_is_unknown() -> None:
    """Where no request has a price the cost is None, with one that has it is the sum; nothing used costs nothing."""
    money = {"cost_usd": Decimal(0), "list_cost_usd": Decimal(0)}
    unknown = {"cost_usd": None, "list_cost_usd": None}
    for requests, unpriced, expected in ((3, 3, unknown), (3, 2, money), (0, 0, money)):
        line = {"requests": requests, "unpriced_requests": unpriced, **money}
        assert without_false_zeros(line) == line | expected


def test_a_report_of_nothing_still_names_its_columns() -> None:
    """CSV without rows is a head, so that who reads it finds the columns that it always finds."""
    assert csv_lines(["period", "cost_usd"], []) == [["period", "cost_usd"]]
    assert csv_lines(["a", "b"], [{"a": Decimal("1.50"), "b": None}]) == [["a", "b"], ["1.5", None]]
