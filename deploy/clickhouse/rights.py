"""What the engine itself allows, as its two configuration files. Pure: names in, XML out.

chDB knows one user, `default`; but a user has roles, a role can be put down, and a settings profile adds constraints
that nothing takes away again. So each handle starts with both sets of rights, and an analyst's gives up the
greater one:

1. `default` itself may read the public views and nothing else; role `writer` holds all other rights.
2. `SET ROLE NONE` ends the writer's rights on a handle. Taking them back is a statement that `guard` refuses.
3. Views are created SQL SECURITY DEFINER (see `WRITER_SETTINGS`): they read storage tables for those who may not.
4. No grant names SOURCES or an engine outside `TABLE_ENGINES`: no file, no address is read, and no statement leaves a
   table behind that stops the next start (`ENGINE = Kafka` does).
5. System tables are open to everybody in ClickHouse; a row policy shows the rows of most of them to the writer only.
6. Profile `analyst` fixes every setting that is not in `ANALYST_SETTINGS`: some carry expressions or name files
   (`additional_result_filter`, `format_template_row`).
"""

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

from deploy.clickhouse.config import Limits

SYSTEM_TABLES = frozenset(
    {
        "aggregate_function_combinators",
        "collations",
        "columns",
        "data_type_families",
        "databases",
        "formats",
        "functions",
        "keywords",
        "numbers",
        "numbers_mt",
        "one",
        "settings",
        "table_engines",
        "table_functions",
        "tables",
        "time_zones",
        "zeros",
        "zeros_mt",
    }
)
TABLE_ENGINES = (
    "MergeTree",
    "ReplacingMergeTree",
    "SummingMergeTree",
    "AggregatingMergeTree",
    "CollapsingMergeTree",
    "VersionedCollapsingMergeTree",
    "CoalescingMergeTree",
    "View",
    "MaterializedView",
    "Dictionary",
    "Memory",
    "Null",
)
_WRITER_RIGHTS = (
    "SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, CREATE TEMPORARY TABLE,"
    " CREATE FUNCTION, DROP, DROP FUNCTION, UNDROP TABLE, TRUNCATE, OPTIMIZE, BACKUP, KILL QUERY, dictGet, SHOW, CHECK,"
    " SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM FLUSH, SYSTEM VIEWS, SYSTEM RELOAD DICTIONARY,"
    " SYSTEM DROP CACHE"
)
ANALYST_SETTINGS = re.compile(
    r"max_(execution_time|threads|memory_usage|result_rows|result_bytes|rows_to_read|bytes_to_read|block_size"
    r"|rows_in_join|bytes_in_join|bytes_before_external_(group_by|sort)|rows_to_group_by|rows_to_sort)"
    r"|(result|read|timeout|join|group_by|sort|distinct)_overflow_mode"
    r"|database|limit|offset|extremes|final|session_timezone|log_comment|use_query_cache|count_distinct_implementation"
    r"|join_algorithm|join_use_nulls|join_default_strictness|any_join_distinct_right_table_keys"
    r"|group_by_use_nulls|transform_null_in|cast_keep_nullable|prefer_column_name_to_alias|totals_mode"
    r"|empty_result_for_aggregation_by_empty_set|aggregate_functions_null_for_empty|decimal_check_overflow"
    r"|do_not_merge_across_partitions_select_final|date_time_(input|output)_format"
    r"|output_format_(arrow|csv|json|native|parquet|pretty|tsv|decimal|enable)_\w+"
)
WRITER_SETTINGS = {
    "implicit_select": "0",
    "default_normal_view_sql_security": "DEFINER",
    "default_view_definer": "default",
}
_CREATE_VIEW = re.compile(r"^CREATE (?:OR REPLACE )?VIEW (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)
_WRITER_ONLY = "has(currentRoles(), 'writer')"


def view_names(migrations: Iterable[str]) -> tuple[str, ...]:
    """The views that these SQL texts create, sorted; what ends in _store or _mv is storage whatever it is."""
    found = {match[1] for text in migrations for match in _CREATE_VIEW.finditer(text)}
    return tuple(sorted(name for name in found if not name.endswith(("_store", "_mv"))))


def analyst_settings(limits: Limits) -> dict[str, str]:
    """The settings with which an analyst's handle starts."""
    return {
        "implicit_select": "0",
        "allow_introspection_functions": "0",
        "max_execution_time": str(limits.analyst_max_execution_sec),
        "max_memory_usage": str(limits.analyst_max_memory_bytes),
        "max_result_bytes": str(limits.analyst_max_result_bytes),
        "max_result_rows": str(limits.analyst_max_result_rows),
        "max_rows_to_read": str(limits.analyst_max_rows_to_read),
        "max_threads": str(limits.analyst_max_threads),
        "max_query_size": str(limits.analyst_max_query_bytes * 2),
    }


def to_config_xml(
    *, users_path: str, backups_path: str, memory_bytes: int, query_log: bool, writes_fsync: bool = True
) -> str:
    """The engine's main configuration."""
    fsync = int(writes_fsync)
    log = "<query_log><database>system</database><table>query_log</table></query_log>" if query_log else ""
    return f"""<clickhouse>
  <user_directories><users_xml><path>{escape(users_path)}</path></users_xml></user_directories>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <mark_cache_size>268435456</mark_cache_size>
  <storage_configuration><disks>
    <backups><type>local</type><path>{escape(backups_path)}/</path></backups>
  </disks></storage_configuration>
  <backups><allowed_disk>backups</allowed_disk></backups>
  <ignore_empty_sql_security_in_create_view_query>0</ignore_empty_sql_security_in_create_view_query>
  <merge_tree>
    <non_replicated_deduplication_window>10000</non_replicated_deduplication_window>
    <fsync_after_insert>{fsync}</fsync_after_insert>
    <fsync_part_directory>{fsync}</fsync_part_directory>
    <min_rows_to_fsync_after_merge>{fsync}</min_rows_to_fsync_after_merge>
    <min_compressed_bytes_to_fsync_after_merge>{fsync}</min_compressed_bytes_to_fsync_after_merge>
  </merge_tree>
  {log}
</clickhouse>
"""


def to_users_xml(
    *, database: str, views: Iterable[str], limits: Limits, settings: Iterable[str], system_tables: Iterable[str]
) -> str:
    """The engine's users: the rights of both roles, for an engine with these settings and system tables."""
    reads = "".join(f"<query>GRANT SELECT ON {database}.{view}</query>\n" for view in views)
    engines = "".join(f"<query>GRANT TABLE ENGINE ON {engine}</query>\n" for engine in TABLE_ENGINES)
    return f"""<clickhouse>
<profiles>
<default/>
<analyst><constraints>
{_constraints(limits, settings)}</constraints></analyst>
</profiles>
<roles><writer><grants>
<query>GRANT {_WRITER_RIGHTS} ON *.*</query>
<query>GRANT READ, WRITE ON DISK</query>
<query>GRANT SET DEFINER ON default</query>
{engines}</grants></writer></roles>
<users><default>
<no_password/>
<networks><ip>::/0</ip></networks>
<profile>default</profile>
<quota>default</quota>
<databases><system>
{_row_policies(system_tables)}</system></databases>
<grants>
<query>GRANT writer</query>
{reads}</grants>
</default></users>
<quotas><default/></quotas>
</clickhouse>
"""


def _constraints(limits: Limits, settings: Iterable[str]) -> str:
    bounds = {
        "max_execution_time": limits.analyst_max_execution_sec,
        "max_memory_usage": limits.analyst_max_memory_bytes,
        "max_result_bytes": limits.analyst_max_result_bytes,
        "max_result_rows": limits.analyst_max_result_rows,
        "max_rows_to_read": limits.analyst_max_rows_to_read,
        "max_threads": limits.analyst_max_threads,
    }
    bounded = [f"<{name}><min>1</min><max>{most}</max></{name}>\n" for name, most in bounds.items()]
    fixed = [f"<{name}><const/></{name}>\n" for name in sorted(settings) if not ANALYST_SETTINGS.fullmatch(name)]
    return "".join(bounded + fixed)


def _row_policies(system_tables: Iterable[str]) -> str:
    hidden = sorted(set(system_tables) - SYSTEM_TABLES)
    return "".join(f"<{name}><filter>{_WRITER_ONLY}</filter></{name}>\n" for name in hidden)
