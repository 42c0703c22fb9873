"""Text of alerts as each channel may show it: names come from whoever emits events, so nothing in them is obeyed. Pure.

Laws
1. What is shown holds no control character, no character that turns the direction of text, and nothing that looks like
   a secret.
2. Slack's text holds no `<`, no `>` and no bare `&`, so no `<!channel>`, no `<@U1>` and no `<https://..|..>`; words
   that Slack-compatible servers obey (`@channel`, `@all`) are broken.
3. Nothing is longer than the channel takes; what is cut ends in an ellipsis.
"""

import re
import unicodedata
from typing import Any

from schemas.secrets import named_without_secrets
from schemas.signals import Alert

ELLIPSIS = "…"
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control characters, invisible formats (direction, zero width), halves of characters, lines and paragraphs."""
_CALLS = re.compile(r"@(?=(?:channel|here|all|everyone|group)\b)", re.IGNORECASE)
_MARKUP = re.compile(r"\]\(")
_AMPERSANDS = re.compile(r"&(?!amp;|lt;|gt;)")


def line(text: str, *, most: int) -> str:
    """The text in one line of at most `most` characters, safe to show (law 1)."""
    spaced = "".join(" " if unicodedata.category(c) in _CATEGORIES else c for c in text)
    return cut(named_without_secrets(" ".join(spaced.split())), most=most)


def cut(text: str, *, most: int) -> str:
    """At most `most` characters of the text."""
    return text if len(text) <= most else text[: max(most - 1, 0)] + ELLIPSIS[:most]


def slack(text: str, *, most: int) -> str:
    """The text as Slack's markup takes it (law 2); `most` counts escaped characters."""
    tame = _MARKUP.sub("] (", _CALLS.sub("@ ", line(text, most=most)))
    escaped = tame.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(escaped) <= most:
        return escaped
    head = escaped[: most - 1]
    start = head.rfind("&")
    whole = head if start < 0 or ";" in head[start:] else head[:start]
    return whole + ELLIPSIS


def is_slack_safe(text: str) -> bool:
    """Whether nothing in the text is markup to Slack; the law that `slack` keeps."""
    return "<" not in text and ">" not in text and _AMPERSANDS.search(text) is None and _CALLS.search(text) is None


def tame(alert: Alert) -> Alert:
    """The alert with every text of others made one safe line; ids, times and amounts as they are."""
    raw: dict[str, Any] = dict(alert)
    texts = {
        name: line(value, most=1024) for name, value in raw.items() if isinstance(value, str) and name not in _OURS
    }
    maps = {
        name: {line(key, most=128): line(value, most=512) for key, value in list(raw[name].items())[:64]}
        for name in ("labels", "evidence")
    }
    url = link(alert.runbook_url)
    return alert.model_copy(update=texts | maps | {"runbook_url": url})


_OURS = frozenset({"status", "topic", "mode", "basis", "severity", "unit"})
"""Texts that the model itself limits."""


def link(url: str | None) -> str | None:
    """The URL if a person may click it: http or https, one word, no markup."""
    if url is None or len(url) > 1024 or re.fullmatch(r"https?://[!-~]+", url) is None or re.search(r"[<>|\"`]", url):
        return None
    return named_without_secrets(url)


def title(alert: Alert, *, most: int) -> str:
    """The alert in one line: how it stands, how bad it is, who it is about, which rule."""
    who = f"{alert.org} {alert.entity_type} {alert.entity_id}"
    return line(f"[{alert.status}] {alert.severity}: {who}: {alert.rule} {alert.level}", most=most)
