"""The traffic of a run: from a seed and the time of sending, one operation after the other. Pure.

What it mixes: ordinary events, copies (the same bytes, or spelled otherwise), contradictions and revisions of earlier
ids, events out of order, 26 to 47 h late, from clocks ahead, models without a price, calls without usage, odd names,
a hot key, and records that are no events.
Late events are at least 26 h late, so that they never fall into a day or an hour that ordinary events also touch.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from schemas.internal import BUCKET_US
from tests.faults.corpus import ODD_NAMES, POISON, RARE
from tests.faults.moments import rfc3339

SEC = 1_000_000
HOUR = 3600 * SEC
ORGS = ("acme", "umbra", "initech", "globex")
"""One for each partition of burn."""
TEAMS = ("code", "support", "forbidden")
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "o4-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-flash"),
    ("inhouse", "northwind-7b"),  # nobody knows its price
)
_KINDS = {
    "event": 690, "out of order": 60, "late": 40, "of last month": 10, "ahead": 15, "an hour ahead": 6, "copy": 80,
    "spelled otherwise": 25, "contradiction": 8, "revision": 6, "moved revision": 4, "no usage": 8,
    "gateway cache": 12, "odd name": 12, "poison": 24,
}  # fmt: skip
KINDS = tuple(_KINDS)
_WEIGHTS = tuple(_KINDS.values())
_REMEMBERED = 5000
_WIDE = ("user", "agent", "project", "use_case", "cost_center")
_WIDTH = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Event:
    """A usage event as the ledger knows it. `data` is as it is sent; `event_us` is microseconds since 1970."""

    id: str
    revision: int
    event_us: int
    data: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The CloudEvent."""
        said = dict(self.data) if self.revision == 1 else {**self.data, "revision": self.revision}
        return {
            "specversion": "1.0", "type": "burnline.usage.v1", "source": SOURCE, "id": self.id,
            "time": rfc3339(self.event_us), "data": said,
        }  # fmt: skip

    def as_bytes(self) -> bytes:
        """Its JSON."""
        return json.dumps(self.as_json(), ensure_ascii=False).encode()


SOURCE = "faults"


@dataclass(frozen=True, kw_only=True)
class Op:
    """One record to send. Either `event` is what it says, or `reason` is why it must be a dead letter."""

    number: int
    kind: str
    key: bytes
    value: bytes | None
    event: Event | None = None
    reason: str | None = None


@dataclass
class Traffic:
    """The operations of a seed; the same seed and times give the same bytes.

    `hot_share` goes to one credential. `wide`: each event names five entities, nearly all of them never seen before.
    """

    seed: int
    hot_share: float = 0.0
    wide: bool = False
    _sent: int = 0
    _known: deque[Event] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = Random(f"traffic-{self.seed}")  # noqa: S311  a seeded test

    def next(self, now_us: int) -> Op:
        """The next operation, sent at `now_us`."""
        self._sent += 1
        kind = self._dice.choices(KINDS, _WEIGHTS)[0]
        if kind == "poison":
            return self._poison(now_us)
        if kind in _AGAIN and self._known:
            return self._op(kind, self._again(kind))
        event = self._fresh(kind, now_us)
        self._known.append(event)
        return self._op(kind, event)

    def plain(self, now_us: int) -> Event:
        """An ordinary event, sent at `now_us`; no copy, nothing odd."""
        self._sent += 1
        return self._fresh("event", now_us)

    def _op(self, kind: str, event: Event) -> Op:
        said = event.as_json()
        if kind == "spelled otherwise":
            said = {**dict(reversed(said.items())), "data": dict(reversed(said["data"].items()))}
        value = json.dumps(said, ensure_ascii=False, indent=1 if kind == "spelled otherwise" else None).encode()
        return Op(number=self._sent, kind=kind, key=key_of(event.data), value=value, event=event)

    def _again(self, kind: str) -> Event:
        """An earlier event, as it was or otherwise. Mostly a recent one, as retries are."""
        dice = self._dice
        # What contradicts or revises comes soon, within any duplicate window; a copy may come late.
        soon = kind not in {"copy", "spelled otherwise"} or dice.random() < 0.6
        back = dice.randrange(min(len(self._known), 20 if soon else _REMEMBERED))
        event = self._known[-1 - back]
        if kind == "contradiction":
            one_more = event.data.get("input_tokens", 0) + 1
            return replace(event, data={"output_tokens": 0, **event.data, "input_tokens": one_more})
        if kind in {"revision", "moved revision"}:
            moved_us = BUCKET_US if kind == "moved revision" else 0
            said = (
                {**event.data, "output_tokens": event.data["output_tokens"] + 7}
                if "output_tokens" in event.data
                else event.data
            )
            return replace(event, revision=event.revision + 1, event_us=event.event_us - moved_us, data=said)
        return event

    def _fresh(self, kind: str, now_us: int) -> Event:
        dice, shift_us = self._dice, 0
        if kind == "out of order":
            shift_us = -dice.randrange(600 * SEC)
        elif kind == "late":
            shift_us = -dice.randrange(26 * HOUR, 47 * HOUR)
        elif kind == "of last month":  # 31 days ago: the sink's inserts have two parts
            shift_us = -31 * 24 * HOUR - dice.randrange(60 * SEC)
        elif kind == "ahead":
            shift_us = dice.randrange(180 * SEC)
        elif kind == "an hour ahead":
            shift_us = HOUR
        data = self._data()
        if kind == "no usage":
            data = {name: value for name, value in data.items() if not name.endswith("_tokens")}
        elif kind == "gateway cache":
            data["gateway_cache_hit"] = True
        elif kind == "odd name":
            data["user"] = dice.choice(ODD_NAMES)
        return Event(id=f"e-{self.seed}-{self._sent:07}", revision=1, event_us=now_us + shift_us, data=data)

    def _data(self) -> dict[str, Any]:
        dice = self._dice
        hot = dice.random() < self.hot_share
        org = ORGS[0] if hot else dice.choice(ORGS)
        team = TEAMS[0] if hot else dice.choices(TEAMS, (60, 39, 1))[0]
        number = 0 if hot else dice.randrange(4)
        provider, model = dice.choices(MODELS, (30, 20, 25, 20, 5))[0]
        data: dict[str, Any] = {"org": org, "team": team, "provider": provider, "model": model, "status": "ok"}
        if hot or dice.random() < 0.95:
            data["credential"] = f"{org}-{team}-key-{number}"
        if dice.random() < 0.9:
            data["user"] = f"{org}-user-{dice.randrange(6)}"
        if dice.random() < 0.3:
            data |= {"agent": f"{org}-agent-{dice.randrange(3)}", "run": f"run-{dice.randrange(10_000)}"}
            if data["run"] < "run-3":  # some of them do the same again and again
                data |= {"run": f"{org}-loop-{data['run'][-1]}", "tool": "search", "tool_call_hash": "same"}
        if dice.random() < 0.05:
            data["status"] = "error"
        if self.wide:
            data |= {name: f"{name}-{dice.randrange(_WIDTH)}" for name in _WIDE}
        return data | _tokens(dice, provider)

    def _poison(self, now_us: int) -> Op:
        dice = self._dice
        name = dice.choice(list(POISON))
        if name in RARE and dice.random() < 0.9:
            name = "truncated"
        make, reason = POISON[name]
        event = self._fresh("event", now_us)
        value, key = make(event.as_json()), key_of(event.data)
        return Op(number=self._sent, kind=f"poison: {name}", key=key, value=value, reason=reason)


_AGAIN = frozenset({"copy", "spelled otherwise", "contradiction", "revision", "moved revision"})


def key_of(data: Mapping[str, Any]) -> bytes:
    """The record key: credential, else team, else org."""
    return str(data.get("credential") or data.get("team") or data["org"]).encode()


def _tokens(dice: Random, provider: str) -> dict[str, int]:
    """Inclusive totals and some disjoint leaves; short enough for no price tier."""
    cached, fresh = dice.choice((0, 0, dice.randrange(20_000))), dice.randrange(1, 8_000)
    said = {"input_tokens": cached + fresh, "output_tokens": dice.randrange(2_000)}
    if cached:
        said["input_cache_read_tokens"] = cached
    if provider == "anthropic" and dice.random() < 0.5:
        said["input_cache_write_5m_tokens"] = fresh // 3
        said["input_cache_write_1h_tokens"] = fresh // 5
    if provider != "anthropic" and dice.random() < 0.4:
        said["output_reasoning_tokens"] = said["output_tokens"] // 2
    return said
