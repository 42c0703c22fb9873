"""SARIF 2.1.0: each result of a scan is a security finding of the commit that was scanned. Pure.

A finding is told from others by its repository and the scanner's own fingerprint, else by repository, tool, rule and
place; no message is kept. Results of another kind than `fail` (passed, not applicable, for information) are none. A
scan that names no time needs `--set time=...`, one of a change `--set artifact=github/acme/shop/118`. Repositories are
told apart where the scan names its own (`versionControlProvenance`).
Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html (looked at 2026-11-22).
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from producers.dialect import Dialect, Lines, Row
from producers.dialects.values import Json, name, within
from producers.outcome_dialects.telling import Told, at_time, listed, read_documents

_RISK_FROM = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.0, "low"))
"""Source: https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
(`security-severity`)."""
_RISK_OF_LEVEL = {"error": "high", "warning": "medium", "note": "low"}


def read(lines: Lines) -> Iterator[Row]:
    """The findings of each document."""
    return read_documents(lines, _tell)


def _tell(value: Json) -> Iterator[Told] | str:
    runs = value.get("runs")
    return _of_runs(runs) if isinstance(runs, list) else "not SARIF: it has no runs"


def _of_runs(runs: list[Any]) -> Iterator[Told]:
    for run in runs:
        tool = name(within(run, "tool", "driver", "name")) or "scan"
        ended = [at_time(within(one, "endTimeUtc")) for one in listed(within(run, "invocations"))]
        scanned = listed(within(run, "versionControlProvenance"))
        commits = [name(within(one, "revisionId")) for one in scanned]
        repositories = sorted({str(uri) for one in scanned if (uri := within(one, "repositoryUri"))})
        severities = _severities(run)
        for result in listed(within(run, "results")):
            if within(result, "kind") not in {None, "fail"}:
                continue
            rule = name(within(result, "ruleId") or within(result, "rule", "id"))
            said = {
                "outcome_type": "security_finding",
                "finding_rule": rule,
                "finding_state": _state(result),
                "risk": severities.get(str(rule)) or _RISK_OF_LEVEL.get(str(within(result, "level") or "warning")),
                "commit": next((commit for commit in commits if commit), None),
            }
            yield Told(f"sarif/{tool}", _identity(result, str(rule), repositories), next(iter(ended), None), said)


def _severities(run: Json) -> dict[str, str]:
    """The risk that each rule says in numbers."""
    found: dict[str, str] = {}
    for rule in listed(within(run, "tool", "driver", "rules")):
        try:
            score = float(within(rule, "properties", "security-severity"))
        except (TypeError, ValueError):
            continue
        found[str(within(rule, "id"))] = next((risk for least, risk in _RISK_FROM if score >= least), "low")
    return found


def _state(result: Json) -> str:
    if within(result, "suppressions"):
        return "dismissed"
    return "fixed" if within(result, "baselineState") == "absent" else "open"


def _identity(result: Json, rule: str, repositories: list[str]) -> str:
    """An id that a later scan of the same weakness has, too, as far as the scanner says so."""
    prints = within(result, "partialFingerprints") or within(result, "fingerprints")
    places = [
        [
            within(place, "physicalLocation", "artifactLocation", "uri"),
            within(place, "physicalLocation", "region", "startLine"),
        ]
        for place in listed(within(result, "locations"))
    ]
    where = sorted(prints.items()) if isinstance(prints, dict) and prints else places
    said = json.dumps([*repositories, rule, where])
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


DIALECT = Dialect(
    name="sarif",
    about="SARIF 2.1.0: results of a security scan, joined to the change by commit or --set artifact=...",
    read=read,
    needs=("org",),
    topic="usage.outcomes",
)
