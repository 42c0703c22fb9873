"""What becomes of changes: their stages, reverts of reverts; tasks, runs and sessions that were refused."""

from datetime import timedelta
from typing import Any

from tests.value_world import START, Json, call, outcome


def chains() -> list[Json]:
    """Changes that were reverted by changes that were reverted, and so on, the last first; a ring; a revert refused."""

    def reverted(artifact: str, by: str | None, day: int, *, id_: str = "", **data: Any) -> Json:
        named = data if by is None else {"reverted_by": by, **data}
        about = {"outcome_type": "reverted", "artifact": artifact} | named
        return outcome(f"{artifact} by {by} {id_}", at=START + timedelta(days=day), **about)

    words = [
        reverted(f"of-{n}/{place}", f"of-{n}/{place + 1}", place + 1) for n in range(6) for place in reversed(range(n))
    ]
    words += [reverted(f"ring/{place}", f"ring/{(place + 1) % 3}", 1) for place in range(3)]
    words += [reverted(f"long-{place}", f"long-{place + 1}", 1) for place in range(41)]
    words.append(reverted("refused/0", None, 1, accepted=False))
    words += [
        reverted("of-2/0", "of-2/1", 3, id_="once more"),
        reverted("of-4/0", None, 0),
    ]  # once more; and once before
    words += [reverted("of-3/0", "of-3/1", 0, revision=2, accepted=True), reverted("of-3/3", None, 9, void=True)]
    made = [f"of-{n}/0" for n in range(6)] + ["long-0", "refused/0"]
    return words + [outcome(f"merged {name}", team="chains", artifact=name) for name in made]


def refused() -> tuple[list[Json], list[Json]]:
    """By task, run and session: one of each refused, one refused and accepted by another, one that nobody judged."""
    words: list[Json] = []
    calls: list[Json] = []
    for number, place in enumerate(("task", "run", "session")):
        for nth, name in enumerate(("refused", "mended", "suggested")):
            calls.append(call(1000 + 3 * number + nth, at=START + timedelta(minutes=150), **{place: name}))
        for name, accepted in (("refused", False), ("mended", False), ("mended", True), ("suggested", None)):
            data: Json = {"outcome_type": "resolved_ticket", place: name, "accepted": accepted}
            words.append(outcome(f"{place} {name} {accepted}", **data))
    return words, calls


def staged() -> tuple[list[Json], list[Json]]:
    """Four changes at different stages, what was found in them, metrics; and two calls of a dollar each."""
    place: Json = {"team": "code", "use_case": "checkout"}

    def stage(id_: str, artifact: str, kind: str, **data: Any) -> Json:
        return outcome(id_, **place, artifact=artifact, outcome_type=kind, **data)

    def finding(id_: str, **data: Any) -> Json:
        return outcome(id_, outcome_type="security_finding", **{"finding_state": "open", **data})

    words = [
        stage("1", "a", "suggested", user="ana", at=START - timedelta(hours=1), minutes_claimed="10"),
        stage("2", "a", "accepted", accepted=True, reviewer="ben", minutes_claimed="90.5"),
        stage("3", "a", "merged", accepted=True, user="ana", intervention=True),
        stage("4", "a", "released", value_usd="-3"),
        stage("5", "a", "reverted"),
        stage("6", "b", "suggested", user="ana", value_usd="7", minutes_claimed="12"),
        stage("7", "b", "accepted", accepted=True, reviewer="ana"),  # her own change
        stage("8", "b", "merged", accepted=True, user="ana", commit="b0b", intervention=False, risk="high",
            at=START + timedelta(hours=1), value_usd="8"),  # once more the same change
        stage("9", "c", "merged", accepted=False, user="eve", value_usd="50"),  # which it did not bring
        stage("10", "c", "accepted", accepted=False, reviewer="ben"),
        stage("11", "d", "suggested", user="eve"),
        finding("f1", artifact="a"),
        finding("f1", revision=2, finding_state="fixed", commit="b0b"),  # fixed where another change stands
        finding("f2", commit="b0b"),
        finding("f3", artifact="a"),
        finding("f3", revision=2, void=True, artifact="a"),
        finding("f4", commit="nobody"),
        outcome(
            "m1", outcome_type="metric", use_case="checkout", metric="cycle_time", metric_value="3.5",
            metric_unit="hours", period_from="2026-11-01", period_until="2026-12-01",
        ),
        outcome("m2", outcome_type="metric", use_case="checkout", metric="escalations", metric_value="4"),
    ]  # fmt: skip
    return words, [call(1), call(2, at=START + timedelta(days=1))]
