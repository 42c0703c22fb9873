"""What the environment says about a worker, and how it reaches the consumer and the app."""

from pathlib import Path

import pytest

from schemas.connection import KafkaSettings
from schemas.errors import SettingsError
from streams.app import consumer_arguments, make_app, needed_topics
from streams.settings import StreamsSettings, read_kafka_settings, read_settings
from streams.transport import Transport


def test_the_consumer_logs_in_as_the_settings_say(tmp_path: Path) -> None:
    """SASL and TLS reach aiokafka through the one connection model; no password is in any other place."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    kafka = KafkaSettings(
        bootstrap_servers="a:1,b:2",
        security_protocol="SASL_SSL",
        sasl_username="burnline",
        sasl_password_file=secret,
        group_prefix="eu-",
    )
    given = consumer_arguments(group="eu-rating", kafka=kafka, settings=StreamsSettings(instance="3"))
    assert given["bootstrap_servers"] == ["a:1", "b:2"]
    assert (given["security_protocol"], given["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (given["sasl_plain_username"], given["sasl_plain_password"]) == ("burnline", "hunter2")
    assert given["ssl_context"].check_hostname
    assert (given["group_id"], given["group_instance_id"]) == ("eu-rating", "eu-rating-3")


def test_a_worker_that_is_no_static_member_leaves_its_group() -> None:
    """aiokafka leaves for dynamic members only."""
    settings = StreamsSettings(static_member=False)
    assert consumer_arguments(group="g", kafka=KafkaSettings(), settings=settings)["group_instance_id"] is None


def test_the_app_has_our_transport_and_nothing_that_it_does_not_need() -> None:
    """No web server, no topics of Faust's own, no stores; one agent on the source topics under the prefix."""
    kafka = KafkaSettings(topic_prefix="eu.")
    app = make_app(
        group="g", source_topics=["usage.events", "usage.adjustments"], kafka=kafka, settings=StreamsSettings()
    )
    assert isinstance(app.transport, Transport)
    assert (app.conf.web_enabled, app.conf.topic_allow_declare, app.conf.topic_disable_leader) == (False, False, True)
    assert str(app.conf.store) == "memory:"
    ((_, agent),) = app.agents.items()
    assert list(agent.get_topic_names()) == ["eu.usage.events", "eu.usage.adjustments"]
    assert list(app.boot_strategy.web_server()) == []
    assert list(app.boot_strategy.kafka_producer()) == []


def test_a_stage_needs_what_it_reads_and_writes() -> None:
    """As `schemas/topics.py` declares it, with policies and progress."""
    assert needed_topics("burn", ["internal.deltas"]) == [
        "alerts.anomalies",
        "alerts.budgets",
        "alerts.governance",
        "internal.checkpoints",
        "internal.deltas",
        "internal.heartbeats",
        "internal.progress",
        "usage.policies",
        "usage.rates",
    ]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "BURNLINE_STREAMS_SESSION_TIMEOUT_SEC",
            "5",
            "BURNLINE_STREAMS_SESSION_TIMEOUT_SEC: .*greater than or equal to 6",
        ),
        ("BURNLINE_STREAMS_BATCH_MAX_RECORDS", "many", "BURNLINE_STREAMS_BATCH_MAX_RECORDS: .*integer"),
        ("BURNLINE_STREAMS_INSTANCE", "a b", "BURNLINE_STREAMS_INSTANCE: .*pattern"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """The sentence names the variable and says what is allowed."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        read_settings()


def test_a_kafka_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for where Kafka is."""
    monkeypatch.setenv("BURNLINE_KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(SettingsError, match=r"BURNLINE_KAFKA_SECURITY_PROTOCOL: .*SASL_SSL"):
        read_kafka_settings()
