"""Numbers of provider reports, exact: what is not there is None, what is no number is an error."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.errors import InputError

_MOST = 10**15
"""Of tokens, and of money: more is no report but a mistake, and arithmetic on numbers of any length has no end."""
_PLACES = 30


def wrong(rule: str, found: object) -> InputError:
    """The error of a report that is not as documented."""
    return InputError(f"this is no usage or cost report: {rule}; found {str(found)[:80]}")


def count(result: Mapping[str, Any], name: str) -> Decimal | None:
    """A whole number that is not negative, up to 10**15. Raises: InputError: it is something else."""
    found = result.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _MOST:
        raise wrong(f"{name} is a whole number up to {_MOST}", found)
    return Decimal(found)


def model_of(result: Mapping[str, Any]) -> str | None:
    """The model that a result names. Raises: InputError: it is no text."""
    found = result.get("model")
    if found is not None and not isinstance(found, str):
        raise wrong("model is text", found)
    return found


def amount(found: object, name: str) -> Decimal | None:
    """An exact amount of money from a number or from text, up to 10**15; negative where it is a credit.

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
    if not exact.is_finite() or abs(exact) > _MOST or int(exact.as_tuple().exponent) < -_PLACES:
        raise wrong(f"{name} is a number up to {_MOST}, of at most {_PLACES} places", found)
    return exact
