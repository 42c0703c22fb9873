"""A .sql file as statements: split at semicolons that stand in no comment and in no quotes. Pure.

Source: ClickHouse's lexer: `--` and `#!` or `# ` to the end of the line, `/* */`, quotes ' ` " with backslash or
doubled quote, heredocs `$tag$ ... $tag$`.
"""

import re

_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
    |(?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<quoted>'(?:\\.|''|[^'\\])*'|`(?:\\.|``|[^`\\])*`|"(?:\\.|""|[^"\\])*")
    |(?P<end>;)""",
    re.DOTALL | re.VERBOSE,
)


def statements(text: str) -> list[str]:
    """The statements of a file in order, without comments and without empty ones."""
    found: list[str] = []
    current: list[str] = []
    position = 0
    for token in _TOKEN.finditer(text):
        current.append(text[position : token.start()])
        position = token.end()
        if token["comment"] is not None:
            current.append(" ")
        elif token["end"] is not None:
            found.append("".join(current).strip())
            current = []
        else:
            current.append(token[0])
    current.append(text[position:])
    found.append("".join(current).strip())
    return [statement for statement in found if statement]
