"""Whether an analyst may run a canonical text; what the engine itself prints is tested against the engine."""

import pytest

from deploy.clickhouse.guard import known_functions, refusal_of_class, refusal_of_text

KNOWN = known_functions(
    table_functions=["numbers", "url", "merge", "python", "eval", "view", "file"],
    category_of={"aiGenerate": "AI", "sum": "Mathematical"},
)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT file('/etc/passwd')",
        "SELECT FILE('/etc/passwd')",
        "SELECT * APPLY file FROM (SELECT '/etc/hostname')",
        "SELECT * APPLY (file, 'p_') FROM (SELECT '/etc/passwd' AS x)",
        "SELECT * APPLY (toString, 'a'b'), file('/etc/passwd') FROM (SELECT 1)",
        "SELECT * APPLY (toString, 'a'b') FROM python(x) WHERE 'c' = 'c'",
        "SELECT * APPLY (toString, 'a'b') FROM (SELECT query FROM system.processes WHERE 'c' = 'c')",
        "SELECT {p:UInt8 /* ' */}, file('/etc/passwd'), 'x'",
        "SELECT {p:UInt8 -- '\n}, file('/etc/passwd'), 'x'",
        "SELECT {p:UInt8 # '\n}, file('/etc/passwd'), 'x'",
        "SELECT {p:Enum8($$'$$ = 1)}, file('/etc/passwd'), 'x'",
        "SELECT {p:Enum8(\u2018'\u2019 = 1)}, file('/etc/passwd'), 'x'",
        "WITH x -> file(x) AS f SELECT f('/etc/passwd')",
        "SELECT arrayMap(file, ['/etc/passwd'])",
        "SELECT arrayMap(`file`, ['/etc/passwd'])",
        "WITH FILE AS f SELECT arrayFold(f, ['/etc/passwd'], '')",
        "SELECT arrayMap({f:Identifier}, ['/etc/passwd'])",
        "WITH {f:Identifier} AS g SELECT arrayMap(g, ['/etc/passwd'])",
        "SELECT getServerSetting('path')",
        "EXPLAIN SELECT file('/etc/passwd')",
        "DESCRIBE TABLE url('http://127.0.0.1')",
        "SELECT * FROM merge('burnline', '.*')",
        "SELECT * FROM python(x)",
        "SELECT * FROM Python('x')",
        "SELECT * FROM eval('SELECT 1')",
        "SELECT aiGenerate('x')",
        "SELECT 1 IN (SELECT count() FROM system.processes)",
        "SELECT x IN (system.query_log)",
        "SELECT * FROM `system`.`processes`",
        "SHOW PROCESSLIST",
        "CHECK TABLE t",
        "INSERT INTO t SELECT 1",
        "",
    ],
)
def test_what_the_engine_grants_to_everybody_is_refused(text: str) -> None:
    """Files, this process, other people's queries and the network are out of reach, in any spelling."""
    assert refusal_of_text(text, KNOWN) is not None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT team, sum(cost_usd) AS cost FROM usage_1h GROUP BY team",
        "SELECT 'file(1) system.processes -- it''s \\' url(' AS note",
        "SELECT tool = 'file', merge FROM usage_events WHERE url LIKE '%merge(%'",
        "SELECT count() FROM {d:Identifier}.{t:Identifier} JOIN {u:Identifier} USING a",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT * APPLY sum APPLY quantile(0.9), {p:Enum8('a' = 1)}, 'caf\u00e9 -- $ /* #', `\u2019 #` FROM t",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "SELECT * FROM numbers(3), view(SELECT 1)",
        "SELECT name FROM system.tables",
        "SELECT * FROM usage_daily(tz = 'Asia/Kolkata')",
        "SHOW TABLES FROM burnline",
        "DESCRIBE TABLE usage_events",
        "EXPLAIN SELECT 1",
    ],
)
def test_questions_are_allowed(text: str) -> None:
    """Strings may say what they like, columns and aliases be called so unless a refused function is."""
    assert refusal_of_text(text, KNOWN) is None


def test_only_one_reading_statement_is_allowed() -> None:
    """The class comes from the engine's parser."""
    assert refusal_of_class("READ_ONLY", 1) is None
    assert refusal_of_class("READ_ONLY", 2) == "send one statement at a time"
    assert refusal_of_class("CONTROL", 1) is not None
    assert refusal_of_class("MUTATING", 1) is not None
    assert refusal_of_class("UNKNOWN", 1) is not None
