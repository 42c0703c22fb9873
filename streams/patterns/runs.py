"""Runs of agents as they go on: calls, tokens, cost, depth, fan-out, and whether they go round. Pure.

Laws
1. A run is what names it within an organisation, until nothing names it for `IDLE_US`; then it is over.
2. A run goes round while its last calls repeat: of the last `LEAST_CALLS` to `LAST` tool calls (name and arguments)
   at most a quarter are different ones, or its last `LAST` prompts are at most `FEW_PROMPTS` different ones.
   Calls that failed do not count: retries are no loop. `base_micro` says what the run had cost when that began.
   How long it lasts say the log, and most of its stamps where it was sent at once (ring.py): a clock that is wrong, or
   an event that comes late, makes no loop of a minute an hour.
3. It goes round, too, while `LAST` calls in a row, or more, each of a later step and a larger input than the one
   before, answer in `FEW_TOKENS` or less: what it has is sent again and again, and nothing comes of it. Who labels
   things has inputs of any length; embeddings answer nothing.
4. Numbers of a run do not depend on how its events were cut into messages.
"""

from typing import NamedTuple

import msgspec

from schemas.money import PICO_PER_MICRO
from streams.patterns.contributors import add_name
from streams.patterns.ring import LAST, At, Ring

STALLED = "answers to inputs that grow"
LEAST_CALLS = 12
FEW_PROMPTS = 2
FEW_TOKENS = 8
MOST_AGENTS = 16
IDLE_US = 1_800_000_000
WAIT_US = 15_000_000
"""Who takes so long from one call to the next waits for something: polling is no loop while it costs little."""
RunKey = tuple[str, str]
"""org, run."""
_FAILED = {"error", "cancelled", "blocked"}


class Call(NamedTuple):
    """What one event says of its run."""

    ts_us: int
    live: bool
    cost_pico: int
    input_tokens: int
    output_tokens: int
    status: str | None
    http_status: int
    step: int
    estimated_tokens: int
    unpriced: bool
    agent: str | None
    model: str | None
    tool: str | None
    tool_call_hash: str | None
    prompt: str | None

    @property
    def failed(self) -> bool:
        """Whether it came to nothing, so that trying again is no loop."""
        return self.status in _FAILED or self.http_status >= 400


class Stalled(msgspec.Struct, array_like=True):
    """So many calls in a row without progress: since when, to when, and what the run had cost before them."""

    base_micro: int
    first_us: int
    first_log_us: int
    last_us: int
    last_log_us: int
    calls: int = 1


class Run(msgspec.Struct, array_like=True):
    """One run as far as it went; times in microseconds since 1970."""

    org: str
    run: str
    first_us: int
    last_us: int
    heard_us: int  # log time of its newest event
    live: bool = False
    team: str | None = None
    user: str | None = None
    agent: str | None = None
    credential: str | None = None
    template: str | None = None
    model: str | None = None
    calls: int = 0
    failed: int = 0
    unpriced: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    most_input_tokens: int = 0
    estimated_tokens: int = 0
    micro: int = 0
    pico: int = 0  # of the cost: micro-USD, and 0 <= pico < 10**6, as no integer of 64 bits holds every sum
    depth: int = 0
    tool_calls: int = 0
    agents: list[str] = msgspec.field(default_factory=list)
    tools: Ring = msgspec.field(default_factory=Ring)
    prompts: Ring = msgspec.field(default_factory=Ring)
    advice: str = ""  # what was last advised
    said_calls: int = 0  # at how many calls its end was last predicted
    said_us: int = 0  # log time of what was last advised
    last_step: int = 0  # of its newest call that did not fail
    last_input: int = 0  # tokens of the same
    stalled: "Stalled | None" = None
    by_agent: dict[str, int] = msgspec.field(default_factory=dict)  # of the cost in micro-USD
    by_model: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, call: Call, *, lead_us: int, log_us: int) -> None:
        """One more event of the run, from a message of `log_us`; the log has been heard of up to `lead_us`."""
        before, at = self.micro, At(call.ts_us, log_us)
        self.first_us, self.last_us = min(self.first_us, call.ts_us), max(self.last_us, call.ts_us)
        self.heard_us, self.live = max(self.heard_us, lead_us), self.live or call.live
        failed = call.failed
        self.calls += 1
        self.failed += failed
        self.unpriced += call.unpriced
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens
        self.most_input_tokens = max(self.most_input_tokens, call.input_tokens)
        self.estimated_tokens += call.estimated_tokens
        self.micro, self.pico = divmod(self.cost_pico() + call.cost_pico, PICO_PER_MICRO)
        self.depth = max(self.depth, call.step)
        if call.agent is not None and call.agent not in self.agents and len(self.agents) < MOST_AGENTS:
            self.agents.append(call.agent)
        add_name(self.by_agent, call.agent, self.micro - before)
        add_name(self.by_model, call.model, self.micro - before)
        if failed:
            return
        self._stall(call, at, before)
        if call.tool_call_hash is not None:
            self.tool_calls += 1
            self.tools.add(f"{call.tool or ''} {call.tool_call_hash}", at, before, most=LAST, least=LEAST_CALLS)
        if call.prompt is not None:
            self.prompts.add(call.prompt, at, before, most=FEW_PROMPTS, least=LAST)

    def _stall(self, call: Call, at: At, before_micro: int) -> None:
        """Law 3."""
        grows = call.step > self.last_step and call.input_tokens > self.last_input
        self.last_step, self.last_input = call.step, call.input_tokens
        if not grows or not 0 < call.output_tokens <= FEW_TOKENS:
            self.stalled = None
        elif self.stalled is None:
            self.stalled = Stalled(before_micro, *at, *at)
        else:
            self.stalled.calls += 1
            self.stalled.last_us, self.stalled.last_log_us = at

    def cost_pico(self) -> int:
        """What it has cost, exact."""
        return self.micro * PICO_PER_MICRO + self.pico

    def resend_amplification(self) -> float:
        """How many times its largest input all of its input is: what a growing context sent again and again costs."""
        return self.input_tokens / self.most_input_tokens if self.most_input_tokens else 0.0

    def loop(self) -> "Loop | None":
        """How it goes round now; None where it does not."""
        for what, ring in (("tool calls", self.tools), ("prompts", self.prompts)):
            if ring.since_us:
                return Loop(
                    what=what,
                    different=len({one for one, _, _ in ring.last}),
                    of=len(ring.last),
                    lasts_us=ring.lasts_us(),
                    cost_micro=self.micro - ring.base_micro,
                    every_us=ring.every_us(),
                    recent_micro=self.micro - ring.last[0][2],
                    since_us=ring.since_us,
                )
        held = self.stalled
        if held is None or held.calls < LAST:
            return None
        lasts_us, cost_micro = max(0, held.last_log_us - held.first_log_us), self.micro - held.base_micro
        return Loop(
            what=STALLED,
            different=1,
            of=held.calls,
            lasts_us=lasts_us,
            cost_micro=cost_micro,
            every_us=max(lasts_us, held.last_us - held.first_us) // (held.calls - 1),
            recent_micro=cost_micro,
            since_us=held.first_us,
        )


class Loop(NamedTuple):
    """A run that goes round: so many different ones of its last tool calls, prompts or answers, for so long.

    cost_micro: at what cost; every_us: the time from one to the next; recent_micro: what the last ones cost together;
    since_us: event time.
    """

    what: str
    different: int
    of: int
    lasts_us: int
    cost_micro: int
    every_us: int
    recent_micro: int
    since_us: int

    def waits(self, least_micro: int) -> bool:
        """Whether it looks at something again and again at its leisure, for less than that in five minutes."""
        return self.every_us >= WAIT_US and self.recent_micro * 300_000_000 < least_micro * self.of * self.every_us
