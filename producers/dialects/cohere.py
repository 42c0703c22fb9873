"""Cohere's responses: what it bills. Pure.

`billed_units` is what Cohere charges for, and is counted; `usage.tokens` counts its own prompt template too and is kept
in tags. The two overlap with `cached_tokens` in a way that Cohere does not state, so no cache leaf is made of it.
Cohere's bodies name no model: say it with `--set model=...`.
Source: https://docs.cohere.com/reference/chat (usage.billed_units, usage.tokens)
"""

from producers.dialects.bodies import Call, Stateless, body_dialect
from producers.dialects.leaves import SUBSET, Part, Side, side_of
from producers.dialects.values import Json, count, known_fields, label, name, within
from schemas.errors import InvalidMessage, Reason

INPUT = Side(
    total="input_tokens",
    rest="input_uncached_tokens",
    base=("input_tokens",),
    parts=(Part("input_image_tokens", SUBSET, ("image_tokens_within",)),),
)
OUTPUT = Side(total="output_tokens", rest="output_text_tokens", base=("output_tokens",))
_UNITS = {"search_units": "rerank_searches", "classifications": "classifications"}


def tokens(billed: Json) -> dict[str, int]:
    """Totals and leaves of `billed_units`; image tokens are billed on top of the input, and join it.

    Raises: InvalidMessage: a count is none.
    """
    images = count(billed, "image_tokens")
    if not images:
        return side_of(billed, INPUT) | side_of(billed, OUTPUT)
    joined = {**billed, "input_tokens": (count(billed, "input_tokens") or 0) + images, "image_tokens_within": images}
    return side_of(joined, INPUT) | side_of(billed, OUTPUT)


def calls_of(body: Json) -> list[Call]:
    """The call of a response.

    Raises: InvalidMessage: it has no billed_units, or they are no counts.
    """
    billed = within(body, "usage", "billed_units") or within(body, "meta", "billed_units")
    if not isinstance(billed, dict):
        raise InvalidMessage(
            Reason.MISSING_FIELD, "usage.billed_units", "no usage.billed_units and no meta.billed_units"
        )
    units = {unit: float(held) for field, unit in _UNITS.items() if (held := count(billed, field))}
    fields = tokens(billed)
    if not fields and not units:
        raise InvalidMessage(Reason.NOT_AN_EVENT, "usage.billed_units", "billed_units has no count of Cohere's shape")
    usage = body.get("usage")
    tags = known_fields(
        tokens_input=label(within(usage, "tokens", "input_tokens")),
        tokens_output=label(within(usage, "tokens", "output_tokens")),
        tokens_cached=label(within(usage, "cached_tokens")),
    )
    data = known_fields(
        provider="cohere",
        model=name(body.get("model")),
        operation="chat" if "usage" in body else None,
        finish_reason=name(body.get("finish_reason")),
        status="ok",
        usage_source="reported",
        units=units or None,
        tags=tags or None,
    )
    return [Call(data=data | fields, id=name(body.get("id")))]


DIALECT = body_dialect("cohere", "Cohere's responses (what they bill)", lambda: Stateless(calls_of))
