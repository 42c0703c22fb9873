"""Runs while they go on: which go round, which cost far more than their like, and what is advised about each.

Laws
1. A run that goes round for long enough, at enough cost, opens one episode; one that is far dearer than others of its
   template another. Only what lives fires; old events teach and are silent.
2. Advice is said when it changes: stop for a loop, ask_owner for a dear run, continue when that is over; and, where
   enough runs of the template are known, once more at 4, 8, 16 ... calls with the predicted end. Stop and ask_owner
   are said again when half of their time is over, as long as they hold: whoever stopped the run hears nothing of it,
   so that the floor says it, until the run is over.
3. A run that nothing named for `IDLE_US` of log time is over, at the floor: its episodes close, its template learns.
4. At most `MOST_TOLD` open episodes of a rule wake somebody of an organisation: whoever starts a thousand runs that go
   round is told of twenty. The others stand in the topic, and every run is advised about.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from schemas.money import usd
from schemas.periods import instant
from schemas.signals import Alert
from streams.burn.messages import output_of
from streams.patterns import drafts
from streams.patterns.rows import Rows
from streams.patterns.runs import IDLE_US, WAIT_US, Call, Loop, Run, RunKey
from streams.patterns.state import PatternsState
from streams.patterns.templates import Prediction, Template, predict
from streams.ports import Output

_NAMES = {"template": "task_template"}
_WHO = ("team", "user", "agent", "credential", "template", "model")
MOST_TOLD = 20
_FIRST_SAID = 4
_FAR = 0.95
_AGAIN_US = drafts.VALID // timedelta(microseconds=2)


def take(state: PatternsState, rows: Rows, *, log_us: int) -> list[Output]:
    """The rows of a message of `log_us` are in their runs; what is found of those runs."""
    if not rows.has("run"):
        return []
    calls = _calls(rows)
    keys: list[RunKey] = []
    for (org, name), places in rows.groups("run"):
        first = calls[places[0]]
        run = state.runs.touched(
            (org, name),
            lambda org=org, name=name, at=first.ts_us: Run(org, name, at, at, state.clock.lead_us),  # type: ignore[misc]  # mypy does not infer defaults of lambdas
        )
        for place in places:
            run.add(calls[place], lead_us=state.clock.lead_us, log_us=log_us)
        _name(run, rows, places[-1])
        keys.append((org, name))
    return _judge(state, keys)


def _calls(rows: Rows) -> list[Call]:
    columns = (
        rows.ints("ts_us").tolist(),
        rows.live.tolist(),
        rows.cost_pico,
        rows.ints("input_tokens").tolist(),
        rows.ints("output_tokens").tolist(),
        rows.texts("status"),
        rows.ints("http_status").tolist(),
        rows.ints("step").tolist(),
        rows.ints("estimated_tokens").tolist(),
        rows.truth("unpriced").tolist(),
        rows.texts("agent"),
        rows.texts("model"),
        rows.texts("tool"),
        rows.texts("tool_call_hash"),
        rows.texts("prompt_fingerprint"),
    )
    return [Call(*one) for one in zip(*columns, strict=True)]


def _name(run: Run, rows: Rows, place: int) -> None:
    """Who the run belongs to: the newest word on each."""
    for name in _WHO:
        column = _NAMES.get(name, name)
        if rows.has(column) and (said := rows.texts(column)[place]) is not None:
            setattr(run, name, said)


def _judge(state: PatternsState, keys: Iterable[RunKey]) -> list[Output]:
    outputs: list[Output] = []
    for key in keys:
        run = state.runs.get(key)
        if run is None or not run.live or state.policies is None or not state.policies.run(run.org).enabled:
            continue
        template = state.templates.get((run.org, run.template or ""))
        prediction = predict(template, run.micro)
        loop = run.loop()
        fired = [_loop(state, run, loop, prediction), _dear(state, run, template, prediction)]
        outputs += [output_of(alert) for alert in fired if alert is not None]
        outputs += _advise(state, run, loop, prediction)
    return outputs


def _loop(state: PatternsState, run: Run, loop: Loop | None, prediction: Prediction | None) -> Alert | None:
    if loop is None or state.policies is None:
        return None
    rule = state.policies.run(run.org)
    cost = drafts.micro_usd(loop.cost_micro)
    cheap = cost < rule.loop_least_usd or loop.waits(int(rule.loop_least_usd * 1_000_000))
    unknown = run.unpriced and loop.every_us < WAIT_US  # where nobody knows the cost, the pace tells loops from polls
    if loop.lasts_us < rule.loop_least_sec * 1_000_000 or (cheap and not unknown):
        return None
    return _fire(state, run, drafts.runaway(state, run, loop, rule.loop_least_usd, prediction))


def _dear(state: PatternsState, run: Run, template: Template | None, prediction: Prediction | None) -> Alert | None:
    median = None if template is None else template.median_micro()
    if template is None or not median or prediction is None or state.policies is None:
        return None
    rule = state.policies.run(run.org)
    spent = usd(run.cost_pico())
    if spent < max(rule.dear_least_usd, drafts.micro_usd(median) * rule.times_median):
        return None
    if template.rank(run.micro) < _FAR:
        return None
    return _fire(state, run, drafts.dear_run(state, run, template, median, rule.times_median, prediction))


def _fire(state: PatternsState, run: Run, alert: Alert) -> Alert | None:
    """The alert if it opens now; where enough of its like wake somebody already, it wakes nobody."""
    if _held(state, run, alert.rule) is None:
        told = state.episodes.count(alert.rule, alert.org, told=True)
        if told >= MOST_TOLD:
            message = f"{alert.message} (notifies nobody: {told} such runs are told of already)"
            alert = alert.model_copy(update={"notify": False, "message": message})
    return state.episodes.fire(alert)


def advise(state: PatternsState, name: RunKey) -> list[Output]:
    """What is advised about a run now, if that is news or would lapse; nothing about one that is over."""
    run = state.runs.get(name)
    if run is None:
        return []
    template = state.templates.get((run.org, run.template or ""))
    return _advise(state, run, run.loop(), predict(template, run.micro))


def _advise(state: PatternsState, run: Run, loop: Loop | None, prediction: Prediction | None) -> list[Output]:
    what, rule, alert = _what(state, run, loop)
    doubled = prediction is not None and run.calls >= max(_FIRST_SAID, 2 * run.said_calls)
    lapses = what != "continue" and state.clock.lead_us - run.said_us >= _AGAIN_US
    if what == (run.advice or "continue") and not doubled and not lapses:
        return []
    run.advice, run.said_calls = what, run.calls if doubled else run.said_calls
    run.said_us = state.clock.lead_us
    message = alert.message if alert is not None else _foresees(run, prediction)
    at = instant(state.clock.lead_us)
    return [drafts.advice(run, what=what, rule=rule, alert=alert, prediction=prediction, at=at, message=message)]


def _what(
    state: PatternsState, run: Run, loop: Loop | None
) -> tuple[Literal["continue", "ask_owner", "stop"], str, Alert | None]:
    """What is advised now, by which rule and alert."""
    runaway = _held(state, run, "runaway")
    if runaway is not None and loop is not None:
        return "stop", "runaway", runaway
    dear = _held(state, run, "dear_run")
    return ("ask_owner", "dear_run", dear) if dear is not None else ("continue", "prediction", None)


def _held(state: PatternsState, run: Run, rule: str) -> Alert | None:
    level = {"runaway": "loop", "dear_run": "variance"}[rule]
    episode = state.episodes.open.get((rule, run.org, f"run/{run.run}", "", "", level))
    return None if episode is None else episode.alert


def _foresees(run: Run, prediction: Prediction | None) -> str:
    if prediction is None:
        return f"run {run.run} goes on as others do"
    spent, end = drafts.cents(usd(run.cost_pico())), drafts.micro_usd(prediction.expected_micro)
    return f"run {run.run} has cost {spent} USD and will likely have cost {drafts.cents(end)} USD in the end"


def resolve(state: PatternsState, *, floor_us: int) -> list[Output]:
    """Closing alerts of runs that are over or go round no more; templates have learnt from those that are over."""
    over = {name: None for name, run in state.runs.items() if run.heard_us <= floor_us - IDLE_US}
    for name in over:
        run = state.runs.pop(name)
        if run.template is not None:
            template = state.templates.touched((run.org, run.template), Template)
            template.finished(run.micro)
    outputs: list[Output] = []
    at = instant(state.clock.lead_us)
    for rule in ("runaway", "dear_run"):
        for key in state.episodes.of_rule(rule):
            name = (key[1], key[2].partition("/")[2])
            found = state.runs.get(name)
            if found is None:
                because = "the run is over" if name in over else "too many runs go on at once to follow it further"
            elif rule == "runaway" and found.loop() is None:
                because = "it goes round no more"
            else:
                because = None
            if because is not None:
                outputs.append(output_of(state.episodes.resolve(key, at=at, why="calmed_down", because=because)))
            outputs += advise(state, name)
    return outputs
