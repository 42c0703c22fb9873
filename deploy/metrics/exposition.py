"""Numbers in Prometheus' text format. Pure.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4, read 2026-11).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    """One number and what it is of."""

    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Family:
    """All numbers of one name; `labels` are the only ones that its samples have."""

    name: str
    kind: Kind
    says: str
    samples: tuple[Sample, ...]


def to_text(families: Iterable[Family]) -> str:
    """The families as a scrape gets them; one without a sample is left out: what is not known is not zero."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        lines += [f"# HELP {family.name} {_escaped(family.says)}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{_labels(sample.labels)} {_number(sample.value)}" for sample in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    pairs = (f'{name}="{_escaped(value, quoted=True)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}" if labels else ""


def _escaped(text: str, *, quoted: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quoted else escaped


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
