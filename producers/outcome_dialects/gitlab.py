"""GitLab's webhooks: changes suggested, approved, merged or closed, released and reverted. Pure.

One JSON document per delivery. A change is `gitlab/GROUP/PROJECT/IID`, the same in all that is told of it.
Source: https://docs.gitlab.com/user/project/integrations/webhook_events/ (looked at 2026-11-22).
"""

import re
from collections.abc import Iterator
from typing import Any

from producers.dialect import Dialect, Lines, Row
from producers.dialects.values import Json, name, within
from producers.outcome_dialects.telling import Told, as_number, at_time, labelled, nameless, read_documents, trailers

_REVERTS = re.compile(r"^This reverts merge request (?:([\w.\-/]+))?!(\d{1,9})\b", re.MULTILINE)
_MENTION = re.compile(r"(?:/merge_requests/|(?<![\w/])!)(\d{1,9})\b")


def read(lines: Lines) -> Iterator[Row]:
    """The outcomes of each delivery; events that tell of none are passed over."""
    return read_documents(lines, _tell)


def _tell(value: Json) -> Iterator[Told] | str:
    payload = value.get("payload") if isinstance(value.get("payload"), dict) else value
    kind, project = within(payload, "object_kind"), name(within(payload, "project", "path_with_namespace"))
    if kind is None or project is None:
        return "not a webhook of GitLab: it has no object_kind, or names no project"
    if kind == "merge_request":
        if as_number(within(payload, "object_attributes", "iid")) is None:
            return "the change has no number"
        return _changed(payload, project)
    return _released(payload, project) if kind == "release" else iter(())


def _changed(payload: Any, project: str) -> Iterator[Told]:  # noqa: ANN401  foreign JSON
    change, source = payload["object_attributes"], f"gitlab/{project}"
    number, action, at = change.get("iid"), change.get("action"), at_time(change.get("updated_at"))
    actor = name(within(payload, "user", "username"))
    said = {
        "artifact": f"{source}/{number}",
        **labelled(payload.get("labels"), "title"),
        **trailers(change.get("description")),
    }
    if action == "open":
        opened = {**said, "outcome_type": "suggested", "user": actor}
        yield Told(
            source, f"merge_request/{number}/suggested", at_time(change.get("created_at")) or at, opened, revision=1
        )
    elif action in {"approved", "approval", "unapproved", "unapproval"}:
        taken_back = True if str(action).startswith("un") else None
        approved = {**said, "outcome_type": "accepted", "accepted": None if taken_back else True}
        approved |= {"reviewer": actor, "void": taken_back}
        yield Told(source, f"merge_request/{number}/approved/{nameless(actor)}", at, approved)
    elif action in {"merge", "close"}:
        merged = action == "merge"
        commit = name(change.get("merge_commit_sha")) if merged else None
        ended = {**said, "outcome_type": "merged", "accepted": merged, "commit": commit}
        yield Told(source, f"merge_request/{number}/merged", at, ended)
        for reverted in _reverted(change, project) if merged else ():
            undone = {"artifact": f"{source}/{reverted}", "outcome_type": "reverted", "reverted_by": said["artifact"]}
            yield Told(source, f"merge_request/{reverted}/reverted", at, undone)
    elif action == "reopen":
        yield Told(source, f"merge_request/{number}/merged", at, {**said, "outcome_type": "merged", "void": True})


def _reverted(change: Json, project: str) -> list[str]:
    """The numbers of the changes that this one takes back, as GitLab writes it, of the same project."""
    if not str(change.get("title") or "").startswith(("Revert", "Reapply")):
        return []
    found = _REVERTS.findall(str(change.get("description") or ""))
    return [number for other, number in found if other in {"", project}]


def _released(payload: Any, project: str) -> Iterator[Told]:  # noqa: ANN401  foreign JSON
    if payload.get("action") != "create":
        return
    at, tag = at_time(payload.get("released_at")) or at_time(payload.get("created_at")), payload.get("tag")
    for number in dict.fromkeys(_MENTION.findall(str(payload.get("description") or ""))):
        said = {"outcome_type": "released", "artifact": f"gitlab/{project}/{number}"}
        yield Told(f"gitlab/{project}", f"release/{tag}/{number}", at, said, revision=1)


DIALECT = Dialect(
    name="gitlab",
    about="GitLab webhooks, one delivery per JSON document: changes, approvals, releases, reverts",
    read=read,
    needs=("org",),
    topic="usage.outcomes",
)
