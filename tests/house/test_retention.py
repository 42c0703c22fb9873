"""`docs/retention.md` says what topics and tables really have."""

import re
from pathlib import Path

from schemas.topics import TOPICS, Topic

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "retention.md").read_text()
_DAY_MS = 86_400_000


def said(topic: Topic) -> str:
    """How the document writes a topic's retention."""
    if topic.compacted:
        return "the newest entry of each key"
    if "retention.bytes" in topic.extra:
        return f"by size, {int(topic.extra['retention.bytes']) // 2**30} GiB a partition"
    if topic.retention_ms < 0:
        return "for ever"
    days = topic.retention_ms // _DAY_MS
    return f"{days} day{'s' if days > 1 else ''}"


def test_every_topic_is_kept_as_long_as_the_document_says() -> None:
    """Each topic has a row of its own, or falls under `other internal.*`."""
    rows = dict(re.findall(r"^\| (.*?`[^|]*) \| ([^|]+) \|", TEXT, flags=re.MULTILINE))
    by_name = {name: kept for names, kept in rows.items() for name in re.findall(r"`([^`]+)`", names)}
    wrong = {
        topic.name: said(topic)
        for topic in TOPICS
        if by_name.get(topic.name, by_name["internal.*"] if not topic.public else "") != said(topic)
    }
    assert wrong == {}


def test_every_table_that_expires_is_in_the_document() -> None:
    """Each TTL of the migrations stands in the document with its days."""
    sql = "\n".join(path.read_text() for path in sorted((ROOT / "sinks" / "migrations").glob("*.sql")))
    table = r"CREATE TABLE IF NOT EXISTS (\w+)_store\n\((?:(?!CREATE TABLE).)*?^TTL .*?INTERVAL (\d+) DAY"
    found = re.findall(table, sql, re.DOTALL | re.MULTILINE)
    assert [f"| `{name}` | {days} days |" in TEXT for name, days in found] == [True] * len(found)
    assert len(found) == sql.count("\nTTL ") == 5
