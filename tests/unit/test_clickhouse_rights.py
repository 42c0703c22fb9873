"""The engine's configuration: who may read what, and which settings an analyst may change."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from deploy.clickhouse.config import Limits
from deploy.clickhouse.rights import ANALYST_SETTINGS, analyst_settings, to_config_xml, to_users_xml, view_names

MIGRATIONS = Path(__file__).resolve().parents[2] / "sinks" / "migrations"
# The public names of the design; a view that the migrations add is open to analysts as well.
PUBLIC = set(
    "usage_events usage_15m usage_1h usage_1d_utc usage_daily burn_rates burn_now budget_states alerts alert_events"  # noqa: SIM905
    " anomalies dead_letters outcomes charges entities reconciliations".split()
)


def test_analysts_read_the_views_of_the_migrations_and_no_storage() -> None:
    """The names come from the migrations themselves; storage tables and materialized views are never among them."""
    views = view_names([file.read_text() for file in MIGRATIONS.glob("*.sql")])
    assert set(views) >= PUBLIC
    assert [name for name in views if name.endswith(("_store", "_mv"))] == []


def test_storage_is_no_view_whatever_creates_it() -> None:
    """A slip in a migration opens nothing."""
    sql = "CREATE VIEW a_store AS SELECT 1;\nCREATE MATERIALIZED VIEW IF NOT EXISTS b TO c AS SELECT 1;\n"
    assert view_names([sql + "CREATE VIEW d AS SELECT 1;"]) == ("d",)


def test_the_user_himself_may_read_views_only() -> None:
    """All other rights hang on the role, which an analyst's handle puts down; no right names a source."""
    xml = to_users_xml(
        database="b", views=["v"], limits=Limits(), settings=["dialect"], system_tables=["processes", "one"]
    )
    users = ET.fromstring(xml)  # noqa: S314  our own text
    own = [grant.text or "" for grant in users.findall("users/default/grants/query")]
    assert own == ["GRANT writer", "GRANT SELECT ON b.v"]
    role = " ".join(grant.text or "" for grant in users.findall("roles/writer/grants/query"))
    assert not {"ALL", "SOURCES", "FILE", "URL", "REMOTE", "Kafka"} & set(role.replace(",", " ").split())
    assert users.find("users/default/databases/system/processes") is not None
    assert users.find("users/default/databases/system/one") is None
    assert users.find("profiles/analyst/constraints/dialect/const") is not None


def test_every_limit_of_analysts_is_there_and_bounded() -> None:
    """Time, memory, threads, what is read and what is answered: each is set at the start and cannot be raised."""
    xml = to_users_xml(database="b", views=[], limits=Limits(), settings=[], system_tables=[])
    bounds = ET.fromstring(xml).findall("profiles/analyst/constraints/*")  # noqa: S314  our own text
    most = {bound.tag: bound.findtext("max") for bound in bounds}
    resource = ("execution_time", "memory_usage", "threads", "result_bytes", "result_rows", "rows_to_read")
    assert set(most) == {f"max_{name}" for name in resource}
    begins = analyst_settings(Limits())
    assert {name: begins[name] for name in most} == most


@pytest.mark.parametrize(
    "name",
    [
        "additional_result_filter",
        "additional_table_filters",
        "dialect",
        "format_schema",
        "format_template_resultset",
        "format_template_row",
        "max_untracked_memory",
        "output_format_template_x",
        "readonly",
    ],
)
def test_settings_that_carry_text_or_files_are_fixed(name: str) -> None:
    """They hold expressions, name files, or lift limits."""
    assert ANALYST_SETTINGS.fullmatch(name) is None


@pytest.mark.parametrize(
    "name", ["max_threads", "session_timezone", "output_format_json_quote_64bit_integers", "final"]
)
def test_settings_of_a_question_are_free(name: str) -> None:
    """What only shapes the answer may be changed, within bounds."""
    assert ANALYST_SETTINGS.fullmatch(name) is not None


def test_paths_are_text_in_the_configuration() -> None:
    """A directory's name cannot add to the configuration."""
    xml = to_config_xml(users_path="/a&<b>", backups_path="/c", memory_bytes=1, query_log=True)
    root = ET.fromstring(xml)  # noqa: S314  our own text
    assert root.findtext("user_directories/users_xml/path") == "/a&<b>"
    assert root.findtext("merge_tree/non_replicated_deduplication_window") == "10000"
    assert root.findtext("merge_tree/fsync_after_insert") == "1"
    assert root.find("query_log") is not None
    assert root.findtext("storage_configuration/disks/backups/path") == "/c/"
