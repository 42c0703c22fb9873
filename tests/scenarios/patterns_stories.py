"""What happens to an organisation, as slim rows: what must be found, and what looks like it and must not be.

Long because each story stands beside those that look alike.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.scenarios.burn_log import HOUR, MINUTE, SEC, us
from tests.scenarios.steps_log import Step, call

AT = us("2026-11-22T09:00:00")
Tables = tuple[Mapping[str, Any], ...]
GOVERNANCE: Tables = ({"kind": "governance_rule", "least_owned_share": "0.95"},)


@dataclass(frozen=True, kw_only=True)
class Story:
    """An event script and the findings that it leads to: (rule, entity type, entity)."""

    steps: Callable[[], Iterator[Step]]
    found: tuple[tuple[str, str, str], ...] = ()
    policies: Tables = ()
    every_us: int = 10 * SEC


def loop(*, lasts_sec: int, usd: float = 0.02, status: str = "ok", tools: int = 1, **said: Any) -> Iterator[Step]:
    """A run that makes the same few tool calls, one every two seconds."""
    for number in range(lasts_sec // 2):
        yield call(AT + number * 2 * SEC, usd=usd, run="r", agent="fixer", tool="search", status=status,
                   tool_call_hash=f"h{number % tools}", step=number, **said)  # fmt: skip


def polling(*, every_sec: int, lasts_min: int, usd: float, **said: Any) -> Iterator[Step]:
    """An agent that asks for the state of the same job again and again."""
    for number in range(lasts_min * 60 // every_sec):
        yield call(AT + number * every_sec * SEC, usd=usd, run="r", agent="watcher", tool="job_state",
                   tool_call_hash="h", prompt_fingerprint=f"p{number}", **said)  # fmt: skip


def polled_then_stuck() -> Iterator[Step]:
    """A run that polls for an hour, and then makes the same call as fast as it can."""
    yield from polling(every_sec=30, lasts_min=60, usd=0.005)
    for step in loop(lasts_sec=180):
        yield {**step, "ts_us": step["ts_us"] + HOUR, "tool": "job_state", "tool_call_hash": "h"}


def busy_run(*, calls: int = 400) -> Iterator[Step]:
    """A long honest run: every tool call and every prompt is another one."""
    for number in range(calls):
        yield call(AT + number * SEC, usd=0.05, run="long", tool="edit", tool_call_hash=f"h{number}",
                   prompt_fingerprint=f"p{number}", input_tokens=1000 * number)  # fmt: skip


def same_prompt() -> Iterator[Step]:
    """A run without tools that asks the same again and again."""
    for number in range(120):
        yield call(AT + number * 2 * SEC, usd=0.05, run="r", prompt_fingerprint=f"p{number % 2}")


def grows(*, answer: int = 4, steps: bool = True, shuffled: bool = False, usd: float = 0.02) -> Iterator[Step]:
    """A run that sends what it has again and again, a little more each time, and gets so many tokens for it."""
    for number in range(90):
        length = 2000 + 50 * (number * 7 % 90 if shuffled else number)
        yield call(AT + number * 2 * SEC, usd=usd, run="r", input_tokens=length, output_tokens=answer,
                   step=number + 1 if steps else None, prompt_fingerprint=f"p{number}")  # fmt: skip


def sampling() -> Iterator[Step]:
    """An evaluation that draws ten samples for each of many prompts."""
    for number in range(300):
        yield call(AT + number * SEC, usd=0.05, run="eval", prompt_fingerprint=f"p{number // 10}")


def nightly_batch() -> Iterator[Step]:
    """One run that works through a list, the same tool on other things."""
    for number in range(1000):
        yield call(AT + number * SEC // 2, usd=0.03, run="night", tool="label", tool_call_hash=f"row{number}")


def templated(*, last_usd: float) -> Iterator[Step]:
    """Twenty runs of a template that cost about a dollar, and one more."""
    for run in range(20):
        for step in range(10):
            yield call(AT + run * 2 * MINUTE + step * SEC, usd=0.09 + run / 1000, run=f"t{run}", task_template="fix")
    late = AT + 3 * HOUR
    for step in range(40):
        yield call(late + step * SEC, usd=last_usd / 40, run="last", task_template="fix")


def key_use(*, minutes: int = 205, credential: str = "k1", model: str = "gpt-4o",  # noqa: PLR0913  a story
            region: str | None = "eu-west-1",
            at_us: int = AT, usd: float = 0.01) -> Iterator[Step]:  # fmt: skip
    """A key that is used once a minute."""
    for minute in range(minutes):
        yield call(at_us + minute * MINUTE, usd=usd, credential=credential, model=model, region=region)


def then_elsewhere(*, model: str = "gpt-4.5", region: str | None = "ap-south-1", usd: float = 0.1) -> Iterator[Step]:
    """A known key, then for five minutes what it is said to use."""
    yield from key_use()
    yield from key_use(minutes=5, model=model, region=region, at_us=AT + 206 * MINUTE, usd=usd)


def after_a_first_call(*first: Step, usd: float = 0.1) -> Iterator[Step]:
    """A known key makes these calls, and then for five minutes uses a model and a region that it is not known for."""
    yield from key_use()
    yield from first
    yield from key_use(minutes=5, model="gpt-4.5", region="ap-south-1", at_us=AT + 207 * MINUTE, usd=usd)


def one_call(*, model: str, region: str | None) -> Step:
    """A cheap call of the known key."""
    return call(AT + 206 * MINUTE, usd=0.0001, credential="k1", model=model, region=region)


def unpriced_elsewhere(*, calls: int) -> Iterator[Step]:
    """A known key, then so many calls of a model without a price elsewhere."""
    yield from key_use()
    for number in range(calls):
        yield call(AT + 206 * MINUTE + number * 20 * SEC, usd=0, unpriced=True, credential="k1", model="own-llm",
                   region="ap-south-1")  # fmt: skip


def migrated_then_moved() -> Iterator[Step]:
    """A known key changes its model, an hour later its region."""
    yield from key_use()
    yield from key_use(minutes=60, model="gpt-4.5", at_us=AT + 206 * MINUTE, usd=0.1)
    yield from key_use(minutes=60, model="gpt-4.5", region="ap-south-1", at_us=AT + 270 * MINUTE, usd=0.1)


def without_regions() -> Iterator[Step]:
    """A key whose calls never said a region, until its client does, with a new model."""
    yield from key_use(region=None)
    yield from key_use(minutes=5, model="gpt-4.5", at_us=AT + 206 * MINUTE, usd=1)


def rotated() -> Iterator[Step]:
    """A key is replaced by a new one, which is used from another region with another model."""
    yield from key_use()
    yield from key_use(
        minutes=60, credential="k2", model="gpt-4.5", region="ap-south-1", at_us=AT + 206 * MINUTE, usd=1
    )


def in_places(*, places: int, minutes: int = 50, of: int = 1, session: str | None = "s{place}",
              **said: Any) -> Iterator[Step]:  # fmt: skip
    """A user's key, each minute in every place, or in one minute of `of` in all and else in the first."""
    for minute in range(minutes):
        for place in range(places if minute % of == 0 else 1):
            named = None if session is None else session.format(place=place, minute=minute, pooled=(place + minute) % 3)
            yield call(AT + minute * MINUTE + place * SEC, credential="k", client_address_hash=f"a{place}",
                       **{"user": "ada", "session": named, **said})  # fmt: skip


def in_turn(*, addresses: int, minutes: int = 110) -> Iterator[Step]:
    """A user's key that changes its address each minute, and its session with it: never two at once."""
    for minute in range(minutes):
        yield call(AT + minute * MINUTE, credential="k", user="ada", session=f"s{minute}",
                   client_address_hash=f"a{minute % addresses}")  # fmt: skip


def then_new(
    *, kind: str = "model", days: int = 8, names: int = 1, usd: float = 12, name: str = "new"
) -> Iterator[Step]:
    """An organisation uses the same for so many days, each second hour, then new names of a kind."""
    usual = {"credential": "k", "region": "eu-west-1", "agent": "fixer"}
    for hour in range(0, days * 24, 2):
        yield call(AT + hour * HOUR, usd=0.5, **usual)
    for number in range(names):
        at = AT + days * 24 * HOUR + number * 10 * SEC
        for half in (0, 1):
            yield call(at + half, usd=usd / 2, **{**usual, kind: f"{name}{number}"})


def many_then_new() -> Iterator[Step]:
    """More keys than can be known, and a new one after a week."""
    for number in range(1001):
        yield call(AT + number * SEC, usd=0, credential=f"one-of-many-{number}")
    yield from then_new(kind="credential")


def agents_begin() -> Iterator[Step]:
    """An organisation names its agents from the eighth day on, beside another that always did."""
    yield call(AT, org="globex", agent="fixer")
    for step in then_new(kind="agent"):
        yield {**step, "agent": None} if step["ts_us"] < AT + 8 * 24 * HOUR else step


def refused(*, minutes: int) -> Iterator[Step]:
    """One key uses most of a model, another is refused four times in ten, for so many minutes."""
    for second in range(minutes * 60):
        yield call(AT + second * SEC, credential="big", input_tokens=50_000)
        refuses = second % 5 < 2
        yield call(AT + second * SEC, credential="small", input_tokens=0 if refuses else 500, usd=0,
                   http_status=429 if refuses else 200, status="error" if refuses else "ok")  # fmt: skip


def classed(region: str | None, data_class: str = "pii") -> Iterator[Step]:
    """Calls with data of a class, processed in a region."""
    for second in range(20):
        yield call(AT + second * SEC, credential="k", team="code", region=region, data_class=data_class)


def owned_by(*, nobodys_usd: float, somebodys_usd: float) -> Iterator[Step]:
    """What somebody spends and what nobody does; of the latter events that name nothing, as sums."""
    for minute in range(30):
        at = AT + minute * MINUTE
        yield call(at, usd=somebodys_usd / 30, credential="k")
        yield call(at, usd=nobodys_usd / 30, owned=False, events=10, provider=None, model=None)


def unpriced(*, calls: int) -> Iterator[Step]:
    """A thousand calls, some of them of a model without a price."""
    for number in range(1000):
        yield call(AT + number * SEC, credential="k", unpriced=number < calls, model="new" if number < calls else "old")


EU: Tables = ({"kind": "governance_rule", "data_regions": {"pii": ("eu-*",)}},)
APPROVED: Tables = ({"kind": "governance_rule", "approved_models": ("gpt-4o*",), "approved_agents": ("fix*",)},)
REGISTERED: Tables = (
    {"kind": "governance_rule", "registered": ("credential",)},
    {"kind": "credential", "id": "k1"},
)

FOUND: dict[str, Story] = {
    "a loop of one tool call": Story(steps=lambda: loop(lasts_sec=180), found=(("runaway", "run", "r"),)),
    "a loop of three": Story(steps=lambda: loop(lasts_sec=240, tools=3), found=(("runaway", "run", "r"),)),
    "a loop without a price": Story(steps=lambda: loop(lasts_sec=180, usd=0, unpriced=True),
                                    found=(("runaway", "run", "r"),)),
    "a slow loop that costs much": Story(steps=lambda: polling(every_sec=30, lasts_min=20, usd=0.1),
                                         found=(("runaway", "run", "r"),)),
    "a cheap loop at full speed": Story(steps=lambda: loop(lasts_sec=180, usd=0.005), found=(("runaway", "run", "r"),)),
    "a loop after an hour of polling": Story(steps=polled_then_stuck, found=(("runaway", "run", "r"),)),
    "the same prompt": Story(steps=same_prompt, found=(("runaway", "run", "r"),)),
    "a context that only grows, and nothing comes of it": Story(steps=grows, found=(("runaway", "run", "r"),)),
    "a run far dearer than its like": Story(steps=lambda: templated(last_usd=9), found=(("dear_run", "run", "last"),),
                                            every_us=MINUTE),
    "a stolen key": Story(steps=then_elsewhere, found=(("stolen_key", "credential", "k1"),), every_us=MINUTE),
    "a stolen key and a model without a price": Story(
        steps=lambda: unpriced_elsewhere(calls=12), found=(("stolen_key", "credential", "k1"),), every_us=MINUTE),
    **{f"a stolen key after one cheap call: {named}": Story(
        steps=lambda first=first: after_a_first_call(first),  # type: ignore[misc]  # mypy does not infer defaults
        found=(("stolen_key", "credential", "k1"),), every_us=MINUTE)
       for named, first in {
           "its model": one_call(model="gpt-4.5", region="eu-west-1"),
           "its region": one_call(model="gpt-4o", region="ap-south-1"),
           "its model, no region": one_call(model="gpt-4.5", region=None),
       }.items()},
    "a key in two places at once": Story(steps=lambda: in_places(places=2), policies=GOVERNANCE, every_us=MINUTE,
                                         found=(("shared_at_once", "credential", "k"),)),
    "a key in two places, of runs": Story(
        steps=lambda: ({**step, "session": None, "run": f"{step['session']}-{step['ts_us'] // HOUR}"}
                       for step in in_places(places=2)),
        policies=GOVERNANCE, every_us=MINUTE, found=(("shared_at_once", "credential", "k"),)),
    **{f"a new {kind}": Story(
        steps=partial(then_new, kind=kind), every_us=HOUR, found=(("first_seen", kind, "new0"),))
       for kind in ("model", "provider", "region", "credential", "agent")},
    "a model that nobody listed where agents are": Story(
        steps=then_new, policies=({"kind": "governance_rule", "approved_agents": ("fix*",)},),
        every_us=HOUR, found=(("first_seen", "model", "new0"),)),
    "refused calls": Story(steps=lambda: refused(minutes=6), found=(("throttled", "model", "gpt-4o"),)),
    "data abroad": Story(steps=lambda: classed("us-east-1"), policies=EU, found=(("sovereignty", "team", "code"),)),
    "data nobody knows where": Story(steps=lambda: classed(None), policies=EU,
                                     found=(("sovereignty", "team", "code"),)),
    "data abroad of nobody": Story(
        steps=lambda: (call(AT + n * SEC, events=40, region="us-east-1", data_class="pii") for n in range(5)),
        policies=EU, found=(("sovereignty", "org", "acme"),)),
    "a model nobody approved": Story(steps=lambda: key_use(minutes=3, model="llama"), policies=APPROVED,
                                     found=(("unapproved", "model", "llama"),)),
    "an agent nobody approved": Story(steps=lambda: loop(lasts_sec=20, credential="k"), policies=(
        {"kind": "governance_rule", "approved_agents": ("reviewer",)},), found=(("unapproved", "agent", "fixer"),)),
    "a key that is in no directory": Story(steps=lambda: key_use(minutes=3, credential="k9"), policies=REGISTERED,
                                           found=(("unregistered", "credential", "k9"),)),
    "spending of nobody": Story(steps=lambda: owned_by(nobodys_usd=30, somebodys_usd=70), policies=GOVERNANCE,
                                found=(("ownership", "org", "acme"),), every_us=MINUTE),
    "calls without a price": Story(steps=lambda: unpriced(calls=200), policies=GOVERNANCE,
                                   found=(("unpriced_share", "org", "acme"),), every_us=MINUTE),
    "callers who claim": Story(
        steps=lambda: (call(AT + n * SEC, credential="k", claims="end_user,user") for n in range(150)),
        policies=GOVERNANCE, found=(("claimed_identity", "credential", "k"),)),
}  # fmt: skip

LOOK_ALIKES: dict[str, Story] = {
    "retries for a minute": Story(steps=lambda: loop(lasts_sec=60)),
    "retries that fail for ten minutes": Story(steps=lambda: loop(lasts_sec=600, status="error")),
    "a loop that costs nothing": Story(steps=lambda: loop(lasts_sec=600, usd=0.0001)),
    "a loop of long ago": Story(steps=lambda: loop(lasts_sec=600, live=False)),
    "an agent that polls a job for an hour": Story(steps=lambda: polling(every_sec=30, lasts_min=60, usd=0.008)),
    "an agent that polls without a price": Story(
        steps=lambda: polling(every_sec=30, lasts_min=60, usd=0, unpriced=True)),
    "an agent that polls as often as it may": Story(steps=lambda: polling(every_sec=15, lasts_min=60, usd=0.004)),
    "a context that grows with each answer": Story(steps=lambda: grows(answer=60)),
    "labels for things of any length": Story(steps=lambda: grows(answer=1, shuffled=True)),
    "labels for things by length": Story(steps=lambda: grows(answer=1, steps=False)),
    "embeddings by length": Story(steps=lambda: grows(answer=0)),
    "a context that grows and costs nothing": Story(steps=lambda: grows(usd=0.001)),
    "a long honest run": Story(steps=busy_run),
    "an evaluation of many samples": Story(steps=sampling),
    "a nightly batch": Story(steps=nightly_batch),
    "a run of its template's usual cost": Story(steps=lambda: templated(last_usd=1.3), every_us=MINUTE),
    "a run three times as dear": Story(steps=lambda: templated(last_usd=3), every_us=MINUTE),
    "a model migration": Story(steps=lambda: then_elsewhere(region="eu-west-1"), every_us=MINUTE),
    "a failover to another region": Story(steps=lambda: then_elsewhere(model="gpt-4o"), every_us=MINUTE),
    "a migration that policy announced": Story(
        steps=then_elsewhere, every_us=MINUTE,
        policies=({"kind": "governance_rule", "approved_models": ("gpt-4o", "gpt-4.5")},)),
    "a migration and then a failover": Story(steps=migrated_then_moved, every_us=MINUTE),
    "a key that never said a region": Story(steps=without_regions, every_us=MINUTE),
    "a few calls without a price elsewhere": Story(steps=lambda: unpriced_elsewhere(calls=3), every_us=MINUTE),
    "a region that is not said": Story(steps=lambda: then_elsewhere(region=None), every_us=MINUTE),
    "a key rotation": Story(steps=rotated, every_us=MINUTE),
    "a new key": Story(steps=lambda: key_use(minutes=30, credential="new", model="gpt-4.5"), every_us=MINUTE),
    "a stray call elsewhere": Story(steps=lambda: then_elsewhere(usd=0.001), every_us=MINUTE),
    "a new model in an organisation's first days": Story(steps=lambda: then_new(days=5), every_us=HOUR),
    "a new model that costs little": Story(steps=lambda: then_new(usd=9), every_us=HOUR),
    "models with a slip": Story(steps=lambda: then_new(name="gpt-slip-", names=300, usd=0), every_us=HOUR),
    "a new model of old events": Story(
        steps=lambda: ({**step, "live": step["model"] != "new0"} for step in then_new()), every_us=HOUR),
    "a new model that is listed": Story(steps=lambda: then_new(name="gpt-4o-"), policies=APPROVED, every_us=HOUR),
    "a new key of the directory": Story(
        steps=lambda: then_new(kind="credential", name="k"), policies=({"kind": "credential", "id": "k0"},),
        every_us=HOUR),
    "agents that an organisation begins to name": Story(steps=agents_begin, every_us=HOUR),
    "a new key where there are too many to know": Story(steps=many_then_new, every_us=HOUR),
    "new models that nobody wants to hear of": Story(
        steps=then_new, policies=({"kind": "governance_rule", "first_seen": False},),
        every_us=HOUR),
    "many people behind one address": Story(
        steps=lambda: ({**step, "client_address_hash": "nat"} for step in in_places(places=9)),
        policies=GOVERNANCE, every_us=MINUTE),
    "a pool of addresses before one client": Story(steps=lambda: in_places(places=3, session="s{pooled}"),
                                                   policies=GOVERNANCE, every_us=MINUTE),
    "two addresses, a session for each call": Story(
        steps=lambda: in_places(places=2, session="s{place}-{minute}"), policies=GOVERNANCE, every_us=MINUTE),
    "a laptop and now and then a phone": Story(steps=lambda: in_places(places=2, minutes=110, of=3),
                                               policies=GOVERNANCE, every_us=MINUTE),
    "a laptop and a phone in turn": Story(steps=lambda: in_turn(addresses=2), policies=GOVERNANCE, every_us=MINUTE),
    "an address that changes all the time": Story(steps=lambda: in_turn(addresses=99), policies=GOVERNANCE,
                                                  every_us=MINUTE),
    "a fleet whose key is meant to be shared": Story(
        steps=lambda: in_places(places=9), every_us=MINUTE,
        policies=({"kind": "governance_rule", "shared_keys": ("K*",)},)),
    "a fleet that names no user": Story(steps=lambda: in_places(places=9, user=None), policies=GOVERNANCE,
                                        every_us=MINUTE),
    "two places without sessions": Story(steps=lambda: in_places(places=2, session=None), policies=GOVERNANCE,
                                         every_us=MINUTE),
    "two places of long ago": Story(
        steps=lambda: ({**step, "live": step["ts_us"] >= AT + 49 * MINUTE} for step in in_places(places=2)),
        policies=GOVERNANCE, every_us=MINUTE),
    "two places where nobody asked": Story(steps=lambda: in_places(places=2), every_us=MINUTE),
    "refusals of two minutes": Story(steps=lambda: refused(minutes=2)),
    "data at home": Story(steps=lambda: classed("eu-central-1"), policies=EU),
    "data of another class": Story(steps=lambda: classed("us-east-1", data_class="public"), policies=EU),
    "an approved model": Story(steps=lambda: key_use(minutes=3, model="GPT-4o-mini"), policies=APPROVED),
    "a model where nothing is approved or refused": Story(steps=lambda: key_use(minutes=3, model="x"),
                                                          policies=GOVERNANCE),
    "a key of the directory": Story(steps=lambda: key_use(minutes=3), policies=REGISTERED),
    "a little of nobody": Story(steps=lambda: owned_by(nobodys_usd=3, somebodys_usd=97), policies=GOVERNANCE,
                                every_us=MINUTE),
    "spending of nobody without a rule": Story(steps=lambda: owned_by(nobodys_usd=30, somebodys_usd=70),
                                               every_us=MINUTE),
    "a few calls without a price": Story(steps=lambda: unpriced(calls=40), policies=GOVERNANCE, every_us=MINUTE),
    "an end user that a gateway names": Story(
        steps=lambda: (call(AT + n * SEC, credential="k", claims="end_user") for n in range(150)),
        policies=GOVERNANCE),
}  # fmt: skip
