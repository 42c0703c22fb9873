"""What every benchmark tells beside its figures: the machine, the versions; and where its last result is kept."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from schemas.signals import rfc3339

_PACKAGES = ("aiokafka", "chdb", "confluent-kafka", "faust-streaming", "msgspec", "numpy", "pyarrow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """On what something was measured. `load_1m` at the beginning: figures of a busy machine are no figures."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    packages: Mapping[str, str]
    load_1m: float


def this_machine() -> Machine:
    """The machine, without its name."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        load_1m=round(os.getloadavg()[0], 2),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def result_of(command: str, machine: Machine, figures: Mapping[str, Any]) -> dict[str, Any]:
    """A result as JSON: which command, when, on what, and its figures."""
    at = rfc3339(datetime.now(UTC))
    return {"command": command, "at": at, "machine": asdict(machine), "figures": dict(figures)}


def kept(folder: Path, name: str, result: Mapping[str, Any], table: str) -> list[Path]:
    """The files that hold the last result now: NAME.json, and NAME.md, a table that a document can take over."""
    machine = result["machine"]
    on = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Python {machine['python']}"
    text = f"`{result['command']}`, {result['at'][:16]}Z, {on}; load before: {machine['load_1m']}\n\n{table}"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.json", folder / f"{name}.md"]
    files[0].write_text(json.dumps(result, indent=2) + "\n")
    files[1].write_text(text)
    return files
