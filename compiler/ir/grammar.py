"""The grammar of the text form: MLIR's generic syntax, as far as modules of bscc use it.

Attributes and function types are single tokens here, which keeps the table small and reading fast;
`Scanner` reads them.
"""

from __future__ import annotations

_STRING = r'"(?:[^"\\]|\\.)*"'


def _angles(depth: int) -> str:
    """`<...>` with so many levels inside; the `>` of an arrow does not close."""
    inner = _angles(depth - 1) if depth else r"(?!)"
    return rf'<(?:{_STRING}|[^<>"]|(?<=-)>|{inner})*>'


def _nested(opening: str, closing: str, depth: int) -> str:
    """Brackets with so many levels inside, and `<...>` in them taken whole."""
    inner = _nested(opening, closing, depth - 1) if depth else r"(?!)"
    return rf'\{opening}(?:{_STRING}|->|{_ANGLES}|[^<>"\{opening}\{closing}]|{inner})*\{closing}'


_ANGLES = _angles(4)
_DIALECT = rf"[!#][A-Za-z_][\w$.]*(?:{_ANGLES})?"
_TYPE = rf"(?:tensor{_ANGLES}|{_DIALECT}|[us]?i[0-9]+|f[0-9]+|index)"
_PARENTHESES = _nested("(", ")", 3)
_FUNCTION = rf"{_PARENTHESES}\s*->\s*(?:{_PARENTHESES}|{_TYPE})"
_ATTRIBUTE = "|".join(
    (
        rf"-?[0-9]+\s*:\s*{_TYPE}",
        _STRING,
        r"true|false",
        rf"array{_ANGLES}",
        rf"@(?:{_STRING}|[A-Za-z_][\w$.-]*)",
        _nested("[", "]", 3),
        _FUNCTION,
        _TYPE,
    )
)


def _terminal(pattern: str) -> str:
    return "/" + pattern.replace("/", r"\/") + "/"


GRAMMAR = rf"""
start: op
op: [results "="] STRING "(" [operands] ")" ["<" dictionary ">"] ["(" regions ")"] [dictionary] signature
signature: ":" FUNCTION [location]
results: result ("," result)*
result: VALUE [":" INTEGER]
operands: VALUE ("," VALUE)*
dictionary: "{{" [entry ("," entry)*] "}}"
entry: NAME ["=" ATTRIBUTE]
regions: region ("," region)*
region: "{{" [header] op* "}}"
header: LABEL ["(" [argument ("," argument)*] ")"] ":"
argument: VALUE ":" (TYPE | FUNCTION) [location]
location: "loc" "(" place ")"
?place: file | named | unknown | fused
file: STRING ":" INTEGER ":" INTEGER
named: STRING ["(" place ")"]
unknown: "unknown"
fused: "fused" "[" place ("," place)* "]"

STRING: {_terminal(_STRING)}
VALUE: /%[A-Za-z0-9_$.-]+(?:#[0-9]+)?/
LABEL: /\^[A-Za-z0-9_$.-]+/
INTEGER: /[0-9]{{1,9}}/
NAME: /[A-Za-z_][\w.$]*/
TYPE.2: {_terminal(_TYPE)}
FUNCTION.2: {_terminal(_FUNCTION)}
ATTRIBUTE.2: {_terminal(_ATTRIBUTE)}
COMMENT: /\/\/[^\n]*/
%ignore /\s+/
%ignore COMMENT
"""

# How a message calls what the grammar calls something else.
READABLE = {
    "STRING": "a quoted name",
    "VALUE": "a value such as %0",
    "LABEL": "a label such as ^bb0",
    "INTEGER": "an integer",
    "NAME": "a key",
    "TYPE": "a type",
    "FUNCTION": "a signature such as (i8) -> i8",
    "ATTRIBUTE": "an attribute",
    "$END": "the end",
}
