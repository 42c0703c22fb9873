"""Whether an analyst may run a statement, judged by its canonical text. Pure.

`rights` keeps analysts off tables, addresses and files. What the engine grants to everybody is refused here: the scalar
function `file()`, table functions outside a short list (`python()` looks into this process, `eval()` runs text), system
tables that show what others do, KILL QUERY, INTO OUTFILE and whatever is not one reading statement.

The text is what the engine's own `formatQuerySingleLine` prints: one statement, no comments, identifiers unescaped and
quoted by backticks only where they must be, strings in single quotes. So one expression tells words from strings. But
the type of a parameter is printed as it was sent, with its comments: behind a quote in one, words would be taken for a
string. So whatever outside of strings is no plain token is refused; and APPLY with a prefix, which hides a call. A
function may be named without being called (`arrayMap(file, ..)`), so what is refused may not be named at all.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from deploy.clickhouse.rights import SYSTEM_TABLES

# Table functions that only compute.
TABLE_FUNCTIONS = frozenset(
    {
        "numbers",
        "numbers_mt",
        "zeros",
        "zeros_mt",
        "generate_series",
        "generateseries",
        "values",
        "sqlstandardvalues",
        "view",
        "null",
        "primes",
    }
)
_DENIED_FUNCTIONS = frozenset(
    {"file", "catboostevaluate", "python", "arrowstream", "generateserialid", "logtrace", "getserversetting"}
)
_DENIED_CATEGORIES = frozenset({"AI"})
_STATEMENTS = frozenset({"SELECT", "WITH", "FROM", "EXPLAIN", "DESCRIBE", "DESC", "EXISTS", "SHOW", "VALUES"})
_DENIED_SHOW = frozenset(
    {"PROCESSLIST", "ACCESS", "GRANTS", "USERS", "ROLES", "PROFILES", "POLICIES", "QUOTAS", "QUOTA"}
)
_TOKEN = re.compile(
    r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|--|/\*|[A-Za-z_$][\w$]*|\d[\w.]*|\S",
    re.DOTALL | re.ASCII,
)


@dataclass(frozen=True)
class KnownFunctions:
    """What this engine's catalogue says: names in lower case."""

    table_functions: Collection[str]
    denied_scalars: Collection[str]


def known_functions(*, table_functions: Collection[str], category_of: dict[str, str]) -> KnownFunctions:
    """The functions to refuse, of an engine with these table functions and these categories by function name."""
    denied = {name.lower() for name, category in category_of.items() if category in _DENIED_CATEGORIES}
    return KnownFunctions(
        table_functions=frozenset(name.lower() for name in table_functions) - TABLE_FUNCTIONS,
        denied_scalars=_DENIED_FUNCTIONS | denied,
    )


def refusal_of_class(query_class: str, statement_count: int) -> str | None:
    """Why a statement of this class is no analyst's, or None; the engine's parser names the class."""
    if statement_count > 1:
        return "send one statement at a time"
    if query_class != "READ_ONLY":
        return "analysts only read: no INSERT, DDL, SET, KILL, SYSTEM or INTO OUTFILE"
    return None


def refusal_of_text(canonical: str, known: KnownFunctions) -> str | None:
    """Why an analyst may not run this canonical text, or None."""
    tokens: list[str] = _TOKEN.findall(canonical)
    if any(_is_strange(token) for token in tokens):
        return "outside of strings only plain words: no comments in types, no $ and no quotes of other alphabets"
    words = [_unquoted(token) for token in tokens]
    first = next((word.upper() for word in words if word != "("), "")
    if first not in _STATEMENTS:
        return f"analysts only read: a statement that begins with {first or 'nothing'} is not a query"
    if first == "SHOW" and not _DENIED_SHOW.isdisjoint(word.upper() for word in words[:4]):
        return "this SHOW statement shows what others do"
    return _refused_call(words, known) or _refused_system_table(words)


def refusal_of_database(database: str) -> str | None:
    """Why an analyst may not make this the database of names without one, or None."""
    return "name system tables in full, as in system.tables" if database.lower() == "system" else None


def _is_strange(token: str) -> bool:
    """Whether the engine may read something else than we do from here on."""
    return token in {"--", "/*", "#", "'", '"', "`"} or token[0] == "$" or (len(token) == 1 and not token.isascii())


def _unquoted(token: str) -> str:
    return token[1:-1] if token[0] in '`"' else token


def _refused_call(words: list[str], known: KnownFunctions) -> str | None:
    for at, (word, after) in enumerate(zip(words, [*words[1:], ""], strict=True)):
        name = word.lower()
        if name == "apply" and after == "(":
            return "APPLY with a prefix is not for analysts; name the columns with AS"
        if name in known.denied_scalars:
            return f"the function {word}() is not for analysts, and nothing else may be called so"
        if name == "identifier" and words[max(at - 3, 0) : at][::2] == ["{", ":"] and _is_no_table(words[: at - 3]):
            return "a parameter of type Identifier names a table, behind FROM or JOIN, and nothing else"
        if name in known.table_functions and after == "(":
            return f"the table function {word}() is not for analysts; read the views"
    return None


def _is_no_table(before: list[str]) -> bool:
    """Whether what follows may be read as a function: `arrayMap(file, ..)` calls what it names without a bracket."""
    return not before or before[-1].upper() not in {"FROM", "JOIN", "."}


def _refused_system_table(words: list[str]) -> str | None:
    for schema, dot, table in zip(words, words[1:], words[2:], strict=False):
        if schema.lower() == "system" and dot == "." and table not in SYSTEM_TABLES:
            return f"system.{table} is not for analysts; open are {', '.join(sorted(SYSTEM_TABLES))}"
    return None
