"""Feedback on calls of a LiteLLM gateway: thumbs and scores by call or trace, as JSON. Pure.

A document names the call (`litellm_call_id`), the trace (`trace_id`) or the session (`session_id`), and how it was
(`value`, `score` or `rating`): true or false, 1 or 0 or -1, up or down, or a number from 0 to 1. A `rating`
of 1 to 5 is of five stars: 1 and 2 refuse, 4 and 5 accept, 3 says neither; 0 and -1 are thumbs. No comment is read.
The gateway joins calls and traces to usage as `litellm` reads it: the trace is the run, the call the id of the event.
"""

from collections.abc import Iterator

from producers.dialect import Dialect, Lines, Row
from producers.dialects.values import Json, first_moment, name
from producers.outcome_dialects.telling import Told, nameless, read_documents

_ABOUT = {"litellm_call_id": "call", "trace_id": "run", "session_id": "session"}
"""What feedback may be about, the narrowest first: only that is joined to usage."""
_WORDS = {
    **dict.fromkeys(("up", "thumbs_up", "positive", "good", "like", "true", "yes"), True),
    **dict.fromkeys(("down", "thumbs_down", "negative", "bad", "dislike", "false", "no"), False),
}


def read(lines: Lines) -> Iterator[Row]:
    """One outcome per document that says how a call was."""
    return read_documents(lines, _tell)


def _tell(value: Json) -> list[Told] | str:
    named = {key: name(value.get(field)) for field, key in _ABOUT.items()}
    kind, about = next(((key, found) for key, found in named.items() if found is not None), ("", None))
    how = next(((key, value[key]) for key in ("value", "score", "rating") if value.get(key) is not None), ("", None))
    judged = _starred(how[1]) if how[0] == "rating" else _judged(how[1])
    if about is None or judged is None:
        return "no feedback: it names no call, trace or session, or does not say how it was"
    accepted, score = judged
    by = name(value.get("user_id") or value.get("user"))
    told_id = name(value.get("id")) or f"{about}/{name(value.get('name')) or 'feedback'}/{nameless(by)}"
    said = {
        "outcome_type": "feedback",
        kind: about,
        "accepted": accepted,
        "quality_score": score,
        "reviewer": by,
    }
    at = first_moment(value, ("timestamp", "created_at", "time"))
    return [Told("litellm/feedback", told_id, at, said)]


def _starred(value: object) -> tuple[bool | None, float | None] | None:
    """The same of a rating: of one to five stars, else as it says."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in {1, 2, 3, 4, 5}:
        return _judged(value)
    return None if value == 3 else value > 3, (value - 1) / 4


def _judged(value: object) -> tuple[bool | None, float | None] | None:
    """(accepted, score from 0 to 1) of what was said; None where it says neither."""
    if isinstance(value, str):
        value = _WORDS.get(value.strip().lower())
    if isinstance(value, bool):
        return value, None
    if not isinstance(value, int | float):
        return None
    if value in {-1, 0, 1}:
        return value == 1, None
    return (None, float(value)) if 0 < value < 1 else None


DIALECT = Dialect(
    name="litellm-feedback",
    about="feedback on calls of a LiteLLM gateway by call, trace or session: thumbs or scores",
    read=read,
    needs=("org",),
    topic="usage.outcomes",
)
