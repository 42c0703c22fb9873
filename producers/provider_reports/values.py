"""Numbers of provider reports, exact: what is not there is None, what is no number is an error."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.errors import InputError


def wrong(rule: str, found: object) -> InputError:
    """The error of a report that is not as documented."""
    return InputError(f"this is no usage or cost report: {rule}; found {str(found)[:80]}")


def count(result: Mapping[str, Any], name: str) -> Decimal | None:
    """A whole number that is not negative. Raises: InputError: it is something else."""
    found = result.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise wrong(f"{name} is a whole number", found)
    return Decimal(found)


def amount(found: object, name: str) -> Decimal | None:
    """An exact amount of money from a number or from text; negative where it is a credit.

    Raises: InputError: it is something else.
    """
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | str | Decimal):
        raise wrong(f"{name} is a number", found)
    try:
        exact = Decimal(found)
    except InvalidOperation:
        raise wrong(f"{name} is a number", found) from None
    if not exact.is_finite():
        raise wrong(f"{name} is a number", found)
    return exact
