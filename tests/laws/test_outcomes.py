"""Laws of outcomes: whatever is read is an outcome of the contract or skipped for a reason; texts are never kept."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.dialect import Draft
from producers.formats import FORMATS
from producers.outcome_dialects.telling import trailers
from producers.outcome_stamp import TOPIC, stamp_outcome
from producers.stamp import Stamping
from schemas.errors import InvalidMessage
from schemas.outcomes import OutcomeEvent, content_hash, decode_outcome, in_order

READ = sorted(name for name, one in FORMATS.items() if one.topic == TOPIC and name != "outcomes")
STAMPING = Stamping(
    format="any", sets={"org": "acme", "time": "2026-11-22T09:00:00Z"}, shift=timedelta(0), import_id="import-1"
)
_WORDS = """
action pull_request number user login type labels name body created_at updated_at closed_at merged merge_commit_sha
review id state submitted_at repository full_name release tag_name published_at alert rule most_recent_instance ref
request payload object_kind project path_with_namespace object_attributes iid description title username tag released_at
runs tool driver rules properties security-severity results ruleId level partialFingerprints locations invocations
endTimeUtc versionControlProvenance revisionId suppressions baselineState litellm_call_id trace_id value score rating
"""
_TEXTS = """
opened closed reopened published submitted dismissed approved changes_requested open merge close reopen create approved
merge_request release acme/shop refs/pull/7/merge 2026-11-20T14:03:11Z fixed error up 0.5 v1
"""
_HOLDERS = "pull_request review release alert object_attributes runs labels request value"
_words, _texts = st.sampled_from(_WORDS.split()), st.sampled_from(_TEXTS.split()) | st.text(max_size=6)
_scalars = st.none() | st.booleans() | st.integers(-5, 50) | st.integers() | st.floats() | _texts | st.just(10**400)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=5), max_leaves=10
)
_events = st.fixed_dictionaries(
    {"repository": st.just({"full_name": "acme/shop"}), "project": st.just({"path_with_namespace": "a/b"})},
    optional=dict.fromkeys(_HOLDERS.split(), _values)
    | {"action": _texts, "object_kind": st.sampled_from(["merge_request", "release"]), "trace_id": _texts},
)


@pytest.mark.parametrize("name", READ)
@settings(max_examples=60, deadline=None)
@given(st.lists(_events | _values, max_size=3))
def test_no_json_makes_a_format_of_outcomes_raise(name: str, documents: list[Any]) -> None:
    """Any JSON is read to its end; what is accepted passes the contract, or is refused there for a reason."""
    for row in FORMATS[name].read([json.dumps(one) + "\n" for one in documents]):
        if isinstance(row, Draft):
            with suppress(InvalidMessage):
                decode_outcome(stamp_outcome(row, STAMPING, salt=b"0" * 16).value)
        else:
            assert row.reason
            assert row.message


def test_a_description_of_blanks_is_read_at_once() -> None:
    """A line of blanks costs no more than its length: whoever may write a description can keep nobody busy."""
    began = time.process_time()
    assert trailers("Burnline-Task: SHOP-42 \r\nBurnline-Run: a" + " " * 30_000 + "b") == {"task": "SHOP-42"}
    assert time.process_time() - began < 1


def event(**data: Any) -> OutcomeEvent:
    """An outcome that says this."""
    raw = {
        "specversion": "1.0", "type": "burnline.outcome.v1", "source": "s", "id": "1", "time": "2026-11-20T14:03:11Z",
        "data": {"org": "acme", "outcome_type": "merged", **data},
    }  # fmt: skip
    return decode_outcome(json.dumps(raw).encode())


def test_copies_are_told_from_contradictions() -> None:
    """The same outcome from another import is a copy; any other word is none."""
    one = event(accepted=True, import_id="a")
    assert content_hash(one) == content_hash(event(accepted=True, import_id="b"))
    others = [event(), event(accepted=False), event(accepted=True, value_usd="0"), event(accepted=True, task="t")]
    assert len({content_hash(other) for other in [one, *others]}) == 5


@given(st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31)), st.integers(0, 10**6))  # noqa: DTZ001  made aware
def test_later_words_have_higher_revisions(at: datetime, seconds: int) -> None:
    """What was said later replaces what was said before, and fits a revision."""
    first = in_order(at.replace(tzinfo=UTC))
    assert 1 <= first <= in_order(at.replace(tzinfo=UTC) + timedelta(seconds=seconds)) < 2**31
