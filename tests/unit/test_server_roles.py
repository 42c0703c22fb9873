"""The script for a ClickHouse server: analysts read views and no storage, organisations themselves and nobody else."""

from typer.testing import CliRunner

from deploy.cli.app import app
from deploy.clickhouse.server_roles import to_sql

VIEWS = ("usage_events", "usage_daily", "dead_letters")


def test_analysts_are_granted_views_and_nothing_else() -> None:
    """Reading, of names that are listed; no wildcard, no writing."""
    granted = [sql for sql in to_sql(VIEWS, database="b") if sql.startswith("GRANT") and "analyst" in sql]
    assert granted == [f"GRANT SELECT ON `b`.`{view}` TO burnline_analyst" for view in VIEWS]


def test_an_organisation_gets_views_of_its_own() -> None:
    """Each is narrowed to it; what says nothing of organisations is not among them; no name ends a string."""
    made = [sql for sql in to_sql(VIEWS, database="b", orgs=["o'`x"]) if "CREATE OR REPLACE VIEW" in sql]
    assert len(made) == 2
    assert all(sql.endswith(r"WHERE org = 'o\'`x'") for sql in made)
    assert made[0].startswith(r"CREATE OR REPLACE VIEW `b_o'\`x`.`usage_events` DEFINER = CURRENT_USER")
    assert "usage_daily`(tz = {tz:String})" in made[1]


def test_the_command_prints_the_views_of_the_migrations() -> None:
    """Storage is not among them."""
    printed = CliRunner().invoke(app, ["roles", "--org", "acme"]).stdout
    assert "GRANT SELECT ON `burnline`.`usage_events` TO burnline_analyst;" in printed.splitlines()
    assert "_store" not in printed


def test_every_analyst_has_limits_and_a_quota() -> None:
    """Those of one organisation, too: time, memory, threads, rows and bytes, and so many questions an hour."""
    made = to_sql(VIEWS, database="b", orgs=["acme", "o'`x"])
    roles = [sql.split()[5] for sql in made if sql.startswith("CREATE ROLE") and "analyst" in sql]
    assert len(roles) == 3
    for role in roles:
        [created] = [sql for sql in made if sql.startswith(f"CREATE ROLE IF NOT EXISTS {role} ")]
        assert created.endswith("SETTINGS PROFILE 'burnline_analyst'")
        [quota] = [sql for sql in made if sql.startswith(f"ALTER QUOTA {role} ")]
        assert "MAX queries = 3000" in quota
        assert quota.endswith(f" TO {role}")
    [profile] = [sql for sql in made if sql.startswith("ALTER SETTINGS PROFILE burnline_analyst ")]
    resources = ("execution_time", "memory_usage", "threads", "result_bytes", "result_rows", "rows_to_read")
    assert [name for name in resources if f"max_{name} = " not in profile] == []
