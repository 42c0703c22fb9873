"""Whatever stands in an alert, no channel obeys it, and no secret leaves."""

import json
import re
from email import message_from_bytes
from email.policy import SMTP

from hypothesis import given
from hypothesis import strategies as st

from schemas.secrets import holds_secret
from schemas.signals import Alert
from sinks.notifier.render import alertmanager, email, pagerduty, slack_message, webhook
from sinks.notifier.text import is_slack_safe, line, link, slack
from tests.notifier_world import NOW, an_alert

EVIL = st.sampled_from(
    ["<!channel>", "<@U1>", "<http://x|y>", "&", "&lt;", "@channel", "@ALL", "\r\nBcc: a@b.c", "\x1b[2J", "\u202e",
     "\x00", "sk-abcdefghijklmnopqrstuvwx", "Bearer abcdefghijklmnop", "](http://x)", "\u2028", "@ here", "\x85"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(EVIL, st.text(max_size=20)), max_size=8).map("".join)
ALERTS = st.builds(
    lambda text, who, owner, label: an_alert(message=text, entity_id=who, owner=owner, labels={label: who}, org=who),
    TEXTS, TEXTS, TEXTS, TEXTS,
)  # fmt: skip
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@given(TEXTS, st.integers(1, 60))
def test_slack_text_holds_no_control_sequence(text: str, most: int) -> None:
    """No `<`, no `>`, no bare `&`, no word that calls everybody, and no more than the channel takes."""
    shown = slack(text, most=most)
    assert is_slack_safe(shown)
    assert len(shown) <= most
    assert CONTROL.search(shown) is None


@given(TEXTS, st.integers(1, 60))
def test_a_line_is_one_line_without_secrets(text: str, most: int) -> None:
    """What is shown has no control character, no secret and at most its length; once is enough."""
    shown = line(text, most=most)
    assert (CONTROL.search(shown), holds_secret(shown.encode(errors="replace"))) == (None, False)
    assert len(shown) <= most
    assert line(shown, most=most) == shown


@given(ALERTS)
def test_no_channel_carries_control_characters_or_secrets_of_others(alert: Alert) -> None:
    """Each body is JSON whose texts are safe; the routing key alone is secret, and only PagerDuty's body holds it."""
    posts = [
        webhook(alert, url="https://a.example", secret="key", now=NOW),
        slack_message(alert, url="https://hooks.slack.com/services/T/B/X"),
        alertmanager(alert, url="http://a.example", secret=None),
        pagerduty(alert, url=None, secret="R0UTING"),
    ]
    for post in posts:
        for text in _texts(json.loads(post.body)):
            assert CONTROL.search(text) is None
            assert not holds_secret(text.encode())
    assert is_slack_safe(json.loads(posts[1].body)["text"].replace("\n", " "))


@given(ALERTS)
def test_a_mail_has_the_headers_that_we_set_and_no_other(alert: Alert) -> None:
    """No text becomes a header or a second recipient, and the message can be read back."""
    message = email(alert, to=("ops@example.com",), sender="burnline@example.com", now=NOW)
    read = message_from_bytes(message.as_bytes(), policy=SMTP)
    ours = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Burnline-Delivery"}
    mime = {"Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
    assert set(read.keys()) == ours | mime
    assert read["To"] == "ops@example.com"
    assert read.defects == []


@given(TEXTS)
def test_a_link_is_one_word_of_the_web(text: str) -> None:
    """What may be clicked is http or https and holds no markup."""
    for url in (text, "https://" + text, "javascript:" + text):
        found = link(url)
        assert found is None or re.fullmatch(r"https?://[!-~]+", found)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, held in value.items() for text in [*_texts(key), *_texts(held)]]
    if isinstance(value, list):
        return [text for held in value for text in _texts(held)]
    # Slack's fallback is two lines of ours.
    return value.split("\n") if isinstance(value, str) else []
