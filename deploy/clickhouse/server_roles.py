"""The roles of a ClickHouse server or cluster as SQL, for its administrator: who stores, and who asks. Pure.

1. Analysts read the public views and nothing else; a view reads storage for them (SQL SECURITY DEFINER), so no right on
   a storage table is given, and row policies, which do not follow data through materialized views, are not needed.
2. An organisation that may see only itself gets views of its own, in a database of its own, and a role for them. Views
   without an organisation (dead letters, comparisons) are not among them.
3. Analysts, of one organisation too, are read only, within the limits of the embedded engine (time, memory, threads,
   rows and bytes), each user within a quota. What stands there is altered: a later version's limits come into force.
4. Users and passwords are the administrator's: `CREATE USER ana IDENTIFIED ... DEFAULT ROLE burnline_analyst`.
Source: https://clickhouse.com/docs/sql-reference/statements/grant, .../create/view#sql_security
"""
# ruff: noqa: S608  names and values are quoted here; nothing else comes from outside

from collections.abc import Sequence

from deploy.clickhouse.config import Limits

WITHOUT_ORG = frozenset({"correction_runs", "dead_letters", "heartbeats", "reconciliations"})
"""Views that say nothing of one organisation: operators' alone."""
_PARAMETERS = {
    "usage_daily": "(tz = {tz:String})",
    "spend_bridge": "({})".format(
        ", ".join(
            f"{name} = {{{name}:DateTime64(6, 'UTC')}}" for name in ("since", "until", "before_since", "before_until")
        )
    ),
}
_QUERIES_AN_HOUR = 3000


def to_sql(views: Sequence[str], *, database: str, orgs: Sequence[str] = (), limits: Limits | None = None) -> list[str]:
    """The statements, in order; each may be repeated. The sink's user needs `burnline_writer` as its default role."""
    bounds = limits or Limits()
    found = [
        f"CREATE DATABASE IF NOT EXISTS {_name(database)}",
        (
            "CREATE SETTINGS PROFILE IF NOT EXISTS burnline_writer SETTINGS"
            " default_normal_view_sql_security = 'DEFINER', default_view_definer = 'CURRENT_USER'"
        ),
        "CREATE ROLE IF NOT EXISTS burnline_writer SETTINGS PROFILE 'burnline_writer'",
        (
            f"GRANT SELECT, INSERT, ALTER, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE"
            f" ON {_name(database)}.* TO burnline_writer"
        ),
        "CREATE SETTINGS PROFILE IF NOT EXISTS burnline_analyst",
        (
            "ALTER SETTINGS PROFILE burnline_analyst SETTINGS readonly = 2,"
            f" max_execution_time = {bounds.analyst_max_execution_sec} MIN 1 MAX {bounds.analyst_max_execution_sec},"
            f" max_memory_usage = {bounds.analyst_max_memory_bytes} MIN 1 MAX {bounds.analyst_max_memory_bytes},"
            f" max_result_bytes = {bounds.analyst_max_result_bytes} MIN 1 MAX {bounds.analyst_max_result_bytes},"
            f" max_result_rows = {bounds.analyst_max_result_rows} MIN 1 MAX {bounds.analyst_max_result_rows},"
            f" max_rows_to_read = {bounds.analyst_max_rows_to_read} MIN 1 MAX {bounds.analyst_max_rows_to_read},"
            f" max_threads = {bounds.analyst_max_threads} MIN 1 MAX {bounds.analyst_max_threads},"
            " allow_ddl = 0 READONLY"
        ),
        "CREATE ROLE IF NOT EXISTS burnline_analyst SETTINGS PROFILE 'burnline_analyst'",
        *_quota("burnline_analyst"),
        *(f"GRANT SELECT ON {_name(database)}.{_name(view)} TO burnline_analyst" for view in views),
    ]
    for org in orgs:
        found += _of_org(org, views, database)
    return found


def _of_org(org: str, views: Sequence[str], database: str) -> list[str]:
    own, role = _name(f"{database}_{org}"), _name(f"burnline_analyst_{org}")
    value = org.replace("\\", "\\\\").replace("'", "\\'")
    return [
        f"CREATE DATABASE IF NOT EXISTS {own}",
        *(
            f"CREATE OR REPLACE VIEW {own}.{_name(view)} DEFINER = CURRENT_USER SQL SECURITY DEFINER"
            f" AS SELECT * FROM {_name(database)}.{_name(view)}{_PARAMETERS.get(view, '')} WHERE org = '{value}'"
            for view in views
            if view not in WITHOUT_ORG
        ),
        f"CREATE ROLE IF NOT EXISTS {role} SETTINGS PROFILE 'burnline_analyst'",
        *_quota(role),
        f"GRANT SELECT ON {own}.* TO {role}",
    ]


def _quota(role: str) -> list[str]:
    """Each user of the role has so many questions an hour. The quota has the role's name: others' are left alone."""
    return [
        f"CREATE QUOTA IF NOT EXISTS {role}",
        f"ALTER QUOTA {role} KEYED BY user_name FOR INTERVAL 1 hour MAX queries = {_QUERIES_AN_HOUR} TO {role}",
    ]


def _name(name: str) -> str:
    """An identifier that holds whatever a name holds."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
