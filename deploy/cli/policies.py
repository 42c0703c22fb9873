"""`burnline apply` and `policies`: budgets, rules and the directory from files, what is in force, who changed it."""

import getpass
import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.output import AsJson, StateDir, examples, put, put_json, put_table, say

if TYPE_CHECKING:
    from deploy.policy_log import Logged
    from schemas.policies import PolicyChange

_IN_FORCE_SEC = 30.0
_MOST_LINES = 20


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    app.command(
        "apply",
        epilog=examples(
            "burnline apply budgets.toml rules.toml",
            "burnline apply budgets.toml --dry-run",
            "burnline apply people.csv --org acme",
            "burnline apply --remove budget/acme/code-monthly",
        ),
    )(apply)
    app.command("policies", epilog=examples("burnline policies", "burnline policies --history --json"))(policies)


def apply(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="Policy files (TOML; people and teams also CSV).")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="KIND/ORG/ID", help="Take a policy out of force; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare; send nothing.")] = False,
    org: Annotated[str | None, typer.Option(help="Whose policies they are where the files do not say.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who changes it; your user name unless given.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is in force.")] = _IN_FORCE_SEC,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Check policy files as a whole, bring them into force, return when all stages have them.

    What is in force and not in the files stays. Applying a file again changes nothing.
    """
    from deploy.apply import Request, apply_files, read_request
    from deploy.stack.find import connections
    from schemas.errors import InputError, SettingsError

    if not files and not remove:
        raise InputError("name at least one file, or a policy with --remove KIND/ORG/ID")
    request = Request(tuple(files or ()), tuple(remove or ()), actor or user_name(), dry_run, org)
    wanted = read_request(request)  # a mistake in a file is said before anything is looked for
    try:
        kafka = connections(state_dir, os.environ).kafka
    except SettingsError as error:
        if not dry_run or state_dir is not None:
            raise
        say(f"the files are right ({len(wanted)} policies); not compared with what is in force: {error}")
        return
    done = apply_files(kafka, request, now=datetime.now(UTC), timeout_sec=timeout)
    if as_json:
        change = done.change.model_dump(mode="json") if done.change else None
        put_json(
            {"change": change, "policy_offset": done.offset, "in_force": not done.missing, "missing": done.missing}
        )
    elif done.change is None:
        put("nothing changed: all of it is in force already")
    else:
        for line in _some(change_lines(done.change)):
            put(f"{'would ' if dry_run else ''}{line}")
        if done.offset is not None and not done.missing:
            put(f"in force (policy offset {done.offset})")
    if done.missing:
        say(f"sent (policy offset {done.offset}), but not in force after {timeout:.0f} s in: {', '.join(done.missing)}")
        raise typer.Exit(1)


def policies(
    history: Annotated[bool, typer.Option("--history", help="Every change: when, who, what.")] = False,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in force, or every change that led there."""
    from deploy.policy_log import in_force, read_log
    from deploy.stack.find import connections
    from schemas.directory import DIRECTORY_KINDS

    log = read_log(connections(state_dir, os.environ).kafka)
    if history:
        _show_history(log, as_json=as_json)
        return
    found = in_force(log)
    if as_json:
        put_json([{**value.policy.model_dump(mode="json"), "since": value.since} for value in found.values()])
    elif not found:
        put("nothing is in force; bring a file into force with: burnline apply FILE")
    else:
        rows = [
            (*key, value.since, _settings(value.policy.model_dump(mode="json")))
            for key, value in sorted(found.items())
            if key[0] not in DIRECTORY_KINDS
        ]
        if rows:
            put_table(["kind", "org", "id", "since", "settings"], rows, right=("since",))
        people = Counter(f"directory of {org}: {kind}" for kind, org, _ in found if kind in DIRECTORY_KINDS)
        for what, count in sorted(people.items()):
            put(f"{what}: {count:,} {'entry' if count == 1 else 'entries'}; see burnline entities")


def change_lines(change: "PolicyChange") -> list[str]:
    """What a change does, a line for each policy."""
    from schemas.policies import key_of

    return [f"set {'/'.join(key_of(policy))}" for policy in change.sets] + [
        f"remove {'/'.join(key)}" for key in change.removes
    ]


def _some(lines: list[str]) -> list[str]:
    """The first of many lines, and how many there are more."""
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES:,} more"]


def _show_history(log: "list[Logged]", *, as_json: bool) -> None:
    if as_json:
        put_json(
            [
                {"policy_offset": one.offset, "appended_at": one.at.isoformat(), **one.change.model_dump(mode="json")}
                for one in log
            ]
        )
    elif not log:
        put("nothing was ever applied")
    else:
        put_table(
            ["offset", "when (UTC)", "who", "files", "what"],
            [
                (one.offset, f"{one.at:%Y-%m-%d %H:%M:%S}", who(one.change), ", ".join(one.change.files),
                 "; ".join(_some(change_lines(one.change))))
                for one in log
            ],
            right=("offset",),
        )  # fmt: skip


def _settings(policy: dict[str, object]) -> str:
    shown = {name: value for name, value in policy.items() if name not in {"kind", "org", "id"} and value is not None}
    return " ".join(f"{name}={value}" for name, value in shown.items())


def who(change: "PolicyChange") -> str:
    """Who made a change, and whether that is more than a word."""
    return change.actor if change.actor_verified else f"{change.actor} (unverified)"


def user_name() -> str:
    """Who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
