"""GitHub's webhooks: changes suggested, reviewed, merged or closed, released, reverted, and code scanning alerts. Pure.

One JSON document per delivery: the payload, or a delivery as the API of hooks gives it (`request.payload`).
A change is `github/OWNER/REPO/NUMBER`, the same in all that is told of it.
Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads (looked at 2026-11-22).
"""

import re
from collections.abc import Iterator
from typing import Any

from producers.dialect import Dialect, Lines, Row
from producers.dialects.values import Json, name, within
from producers.outcome_dialects.telling import Told, as_number, at_time, labelled, read_documents, trailers

_REVERTS = re.compile(r"^Reverts\s+(?:([\w.\-]+/[\w.\-]+))?#(\d{1,9})\b", re.MULTILINE)
"""What GitHub writes into a change that it makes to revert another; its title begins so."""
_UNDOES = ("Revert", "Reapply")
_MENTION = r"(?:https://[^\s/]+/{repo}/pull/|(?<![\w/])#)(\d{{1,9}})\b"
_MERGE_REF = re.compile(r"refs/pull/(\d{1,9})/(?:merge|head)")
_STATES = {"open": "open", "fixed": "fixed", "dismissed": "dismissed", "closed": "fixed"}


def read(lines: Lines) -> Iterator[Row]:
    """The outcomes of each delivery; events that tell of none are passed over."""
    return read_documents(lines, _tell)


def _tell(value: Json) -> Iterator[Told] | str:
    payloads = (within(value, "request", "payload"), value.get("payload"), value)
    payload = next(found for found in payloads if isinstance(found, dict))
    repo = name(within(payload, "repository", "full_name"))
    if repo is None:
        return iter(()) if "zen" in payload or "hook" in payload else "not a webhook of GitHub: it names no repository"
    change = payload.get("pull_request")
    if isinstance(change, dict) and as_number(change.get("number")) is None:
        return "the change has no number"
    return _of_payload(payload, repo)


def _of_payload(payload: Json, repo: str) -> Iterator[Told]:
    change, action = payload.get("pull_request"), payload.get("action")
    if isinstance(change, dict) and isinstance(review := payload.get("review"), dict):
        yield from _reviewed(change, review, repo, dismissed=action == "dismissed")
    elif isinstance(change, dict):
        yield from _changed(change, str(action), repo)
    elif isinstance(release := payload.get("release"), dict) and action in {"published", "released"}:
        yield from _released(release, repo)
    elif isinstance(alert := payload.get("alert"), dict) and isinstance(alert.get("rule"), dict):
        yield from _found(alert, repo)


def _changed(change: Json, action: str, repo: str) -> Iterator[Told]:
    number, source = change.get("number"), f"github/{repo}"
    of_it = _of_change(change, repo)
    if action == "opened":
        at = at_time(change.get("created_at"))
        yield Told(source, f"pull/{number}/suggested", at, {**of_it, "outcome_type": "suggested"}, revision=1)
    elif action == "reopened":
        at = at_time(change.get("updated_at"))
        yield Told(source, f"pull/{number}/merged", at, {**of_it, "outcome_type": "merged", "void": True})
    elif action == "closed":
        at, merged = at_time(change.get("closed_at")), change.get("merged") is True
        commit = name(change.get("merge_commit_sha")) if merged else None
        yield Told(
            source,
            f"pull/{number}/merged",
            at,
            {**of_it, "outcome_type": "merged", "accepted": merged, "commit": commit},
        )
        for reverted in _reverted(change, repo) if merged else ():
            undone = {"artifact": f"{source}/{reverted}", "outcome_type": "reverted", "reverted_by": of_it["artifact"]}
            yield Told(source, f"pull/{reverted}/reverted", at, undone)


def _reverted(change: Json, repo: str) -> list[str]:
    """The numbers of the changes that this one takes back."""
    if not str(change.get("title") or "").startswith(_UNDOES):
        return []
    found = _REVERTS.findall(str(change.get("body") or ""))
    return [number for other, number in found if (other or repo).lower() == repo.lower()]


def _of_change(change: Json, repo: str) -> dict[str, Any]:
    """What a change says of itself: who made it, and what labels and trailers join it to."""
    author = within(change, "user")
    by = "agent" if within(author, "type") == "Bot" else "user"
    return {
        "artifact": f"github/{repo}/{change.get('number')}",
        by: name(within(author, "login")),
        **labelled(change.get("labels"), "name"),
        **trailers(change.get("body")),
    }


def _reviewed(change: Json, review: Json, repo: str, *, dismissed: bool) -> Iterator[Told]:
    state, at = str(review.get("state")).lower(), at_time(review.get("submitted_at"))
    human = within(review, "user", "type") != "Bot"
    if at is None or (state not in {"approved", "changes_requested"} and not dismissed):
        return
    said = {
        **_of_change(change, repo),
        "outcome_type": "accepted",
        "accepted": state == "approved",
        "reviewer": name(within(review, "user", "login")) if human else None,
    }
    told = Told(f"github/{repo}", f"review/{review.get('id')}", at, said, revision=1)
    yield told._replace(data={**said, "accepted": None, "void": True}, revision=2) if dismissed else told


def _released(release: Json, repo: str) -> Iterator[Told]:
    at, tag = at_time(release.get("published_at")), release.get("tag_name")
    numbers = re.findall(_MENTION.format(repo=re.escape(repo)), str(release.get("body") or ""))
    for number in dict.fromkeys(numbers):
        said = {"outcome_type": "released", "artifact": f"github/{repo}/{number}"}
        yield Told(f"github/{repo}", f"release/{tag}/{number}", at, said, revision=1)


def _found(alert: Json, repo: str) -> Iterator[Told]:
    rule, instance = alert["rule"], alert.get("most_recent_instance")
    times = (at_time(alert.get(f"{what}_at")) for what in ("updated", "fixed", "dismissed", "created"))
    in_change = _MERGE_REF.match(str(within(instance, "ref") or ""))
    said = {
        "outcome_type": "security_finding",
        "finding_rule": name(rule.get("id")),
        "finding_state": _STATES.get(str(alert.get("state") or within(instance, "state"))),
        "risk": name(rule.get("security_severity_level") or rule.get("severity")),
        "artifact": f"github/{repo}/{in_change[1]}" if in_change else None,
        "commit": name(within(instance, "commit_sha")),
    }
    at = next((found for found in times if found is not None), None)
    yield Told(f"github/{repo}", f"code-scanning/{alert.get('number')}", at, said)


DIALECT = Dialect(
    name="github",
    about="GitHub webhooks, one delivery per JSON document: changes, reviews, releases, reverts, scanning alerts",
    read=read,
    needs=("org",),
    topic="usage.outcomes",
)
