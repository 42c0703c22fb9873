"""What an administrator is asked for: every topic, the least rights, command lines that a shell reads back."""

import shlex
from dataclasses import replace

from deploy.topics_plan import WORKERS, Found, PlannedTopic, command_lines, differences, plan
from schemas.topics import TOPICS
from sinks.group_log import STAGE as SINK
from sinks.notifier.process import NAME as NOTIFIER
from sinks.value_nights import NAME as VALUE

PLAN = plan(topic_prefix="team-a.", group_prefix="a-", replication_factor=3)
TOPIC = PlannedTopic("usage.events", 4, 3, {"retention.ms": "1000"}, "doc")
FOUND = Found(partitions=4, replication_factor=3, config={"retention.ms": "1000", "other": "x"})


def operations(role: str, topic: str) -> set[str]:
    """What a role may do with a topic."""
    return {
        operation
        for right in PLAN.rights
        if (right.role, right.resource, right.name) == (role, "topic", f"team-a.{topic}")
        for operation in right.operations
    }


def test_every_topic_is_planned_with_prefix_and_configuration() -> None:
    """Nothing is missing, nothing is added."""
    assert [(topic.name, topic.config) for topic in PLAN.topics] == [
        (f"team-a.{topic.name}", topic.config()) for topic in TOPICS
    ]


def test_emitters_may_only_write_events() -> None:
    """A service that emits can read nothing, and cannot write what stages write."""
    assert operations("emitters", "usage.events") == {"Write", "Describe"}
    assert operations("emitters", "internal.rated") == set()


def test_nobody_may_delete_or_alter() -> None:
    """No role gets more than reading, writing and looking."""
    given = {operation for right in PLAN.rights for operation in right.operations}
    assert given == {"Read", "Write", "Describe", "DescribeConfigs"}


def test_workers_own_their_groups_and_transactions() -> None:
    """Lanes commit offsets and fence each other under our prefix only."""
    found = {(right.resource, right.name, right.prefixed) for right in PLAN.rights if right.role == "rating"}
    assert {("group", "a-rating", True), ("transactional-id", "a-rating", True)} < found


def test_no_worker_may_fence_another() -> None:
    """Of the names that the workers really use each begins with its own role's, and with no other's."""
    used = {"sink": [SINK, f"{SINK}-signals", VALUE], "notifier": [NOTIFIER], "rating": ["rating-usage.events-0"]}
    used |= {"burn": ["burn-internal.deltas-0"], "patterns": ["patterns-internal.rated-0"]}
    for kind in ("group", "transactional-id"):
        may = {right.role: right.name for right in PLAN.rights if right.resource == kind and right.role in WORKERS}
        assert used.keys() == may.keys()
        for role, names in used.items():
            assert all([who for who in may if f"a-{name}".startswith(may[who])] == [role] for name in names)


def test_command_lines_are_read_back_by_a_shell() -> None:
    """Each topic and each right is one command; a role may have another name on the broker."""
    lines = command_lines(PLAN, bootstrap_servers="b:1", principals={"rating": "User:CN=rating, O=acme"})
    words = [shlex.split(line) for line in lines]
    assert len(words) == len(PLAN.topics) + len(PLAN.rights)
    assert all(word[:3] == [word[0], "--bootstrap-server", "b:1"] for word in words)
    assert any("User:CN=rating, O=acme" in word for word in words)


def test_topic_as_planned_has_no_difference() -> None:
    """Settings that we do not rely on are nobody's business, and more replicas are welcome."""
    assert differences(TOPIC, FOUND) == []
    assert differences(TOPIC, replace(FOUND, replication_factor=5)) == []


def test_each_difference_is_named_with_its_remedy() -> None:
    """Other partitions, fewer replicas, other settings."""
    wrong = Found(partitions=6, replication_factor=1, config={"retention.ms": "5"})
    partitions, replicas, setting = differences(TOPIC, wrong)
    assert partitions == ("usage.events has 6 partitions, not 4: counts are fixed for life; use another topic prefix")
    assert replicas.startswith("usage.events has 1 replicas, not 3")
    assert setting.startswith("usage.events has retention.ms=5, not 1000")


def test_unreadable_settings_are_not_called_wrong() -> None:
    """Without the right to read settings, nothing is claimed about them."""
    assert differences(TOPIC, replace(FOUND, config=None)) == []
