"""The language in which filters of the customer list are put together: conditions, ``and``, ``or``, ``not``, brackets.

    stage:"At Risk",Trial and (owner:ann or health<=40) and not segment:SMB

A condition is a field, ``:`` (is), ``>=`` or ``<=``, and a value; several values, with commas, mean any of them. What
is in double quotes is taken as it is, a quote in it twice; ``""`` is no value. ``and`` binds before ``or``.
``write_expression`` gives the one spelling of a tree, which ``parse_expression`` reads back. What fields there are is
for the list to say.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

LONGEST: Final = 2000
MOST_CONDITIONS: Final = 30
MOST_VALUES: Final = 50
DEEPEST: Final = 8

Operator = Literal[":", ">=", "<="]
Joint = Literal["and", "or"]

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<bracket>[()])
      | (?P<condition>(?P<field>[a-z_]+)(?P<operator>:|>=|<=))
      | (?P<word>(?:and|or|not)(?=[\s()]|$))
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_VALUE: Final = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^\s(),"]+))')
_COMMA: Final = re.compile(r"\s*,")
_PLAIN: Final = re.compile(r'[^\s(),"]+')


class InvalidExpression(Exception):
    """``code`` says what is wrong, ``text`` what is there (for ``too_much``: the most there may be)."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


@dataclass(frozen=True, slots=True)
class Condition:
    """One field compared with one of several values."""

    field: str
    operator: Operator
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """What must not hold."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class Group:
    """Two or more parts, of which all must hold (and), or one (or)."""

    joint: Joint
    parts: "tuple[Expression, ...]"


Expression = Condition | Negation | Group


def join(joint: Joint, *parts: Expression) -> Expression:
    """The parts as one group; groups of the same kind among them are opened, and what is there twice is kept once."""
    flat: dict[Expression, None] = {}
    for part in parts:
        inner = part.parts if isinstance(part, Group) and part.joint == joint else (part,)
        flat.update(dict.fromkeys(inner))
    return next(iter(flat)) if len(flat) == 1 else Group(joint, tuple(flat))


def parse_expression(text: str) -> Expression:
    """The tree. Raises InvalidExpression: empty, too long, too many conditions, too deep, or not well-formed."""
    if len(text) > LONGEST:
        raise InvalidExpression("too_long", str(LONGEST))
    tokens = _Tokens(text)
    expression = _read_group(tokens, "or", 0)
    if tokens.kind:
        raise InvalidExpression("unexpected", tokens.rest())
    if sum(1 for _ in conditions_of(expression)) > MOST_CONDITIONS:
        raise InvalidExpression("too_many", str(MOST_CONDITIONS))
    return expression


def conditions_of(expression: Expression) -> Iterator[Condition]:
    """All conditions, from left to right."""
    match expression:
        case Condition():
            yield expression
        case Negation(part):
            yield from conditions_of(part)
        case Group(parts=parts):
            for part in parts:
                yield from conditions_of(part)


def write_expression(expression: Expression) -> str:
    """The text of the tree, in its one spelling."""
    match expression:
        case Condition(field, operator, values):
            return f"{field}{operator}{','.join(map(write_value, values))}"
        case Negation(part):
            return f"not {_in_brackets(part)}"
        case Group(joint, parts):
            return f" {joint} ".join(_in_brackets(part) for part in parts)


def write_value(text: str) -> str:
    """A value as it is written in an expression, in quotes where it needs them."""
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def read_values(text: str) -> tuple[str, ...]:
    """Values with commas between them, as someone types them into a field: blanks around each do not count."""
    values, rest = [], text.strip()
    while True:
        match = re.match(r'\s*"((?:[^"]|"")*)"\s*(?:,|$)', rest)
        value = match[1].replace('""', '"') if match else rest.partition(",")[0].strip()
        values.append(value)
        at = match.end() if match else len(rest.partition(",")[0]) + 1
        if at >= len(rest) and not rest[:at].endswith(","):
            return tuple(values)
        rest = rest[at:]
        if not rest:
            return (*values, "")


def _in_brackets(part: Expression) -> str:
    text = write_expression(part)
    return f"({text})" if isinstance(part, Group) else text


class _Tokens:
    """The tokens of a text, one at a time: ``kind`` and ``text`` of the one at hand, '' at the end."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.kind = self.text = ""
        self.condition: Condition | None = None
        self.advance()

    def advance(self) -> None:
        """To the next token. Raises InvalidExpression where there is none."""
        self._start = self._at
        if not self._text[self._at :].strip():
            self.kind = self.text = ""
            return
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            raise InvalidExpression("unexpected", self.rest())
        self._at = match.end()
        self.kind, self.text = str(match.lastgroup), match[0].strip().lower()
        if match["condition"]:
            self.kind = "condition"
            self.condition = self._read_condition(match["field"].lower(), match["operator"])

    def rest(self) -> str:
        """What comes from the token at hand on."""
        return self._text[self._start :].strip()

    def _read_condition(self, field: str, operator: str) -> Condition:
        values: list[str] = []
        while True:
            match = _VALUE.match(self._text, self._at)
            if match is None:
                raise InvalidExpression("no_value", f"{field}{operator}")
            values.append(match[2] if match[1] is None else match[1].replace('""', '"'))
            self._at = match.end()
            if len(values) > MOST_VALUES:
                raise InvalidExpression("too_many_values", str(MOST_VALUES))
            comma = _COMMA.match(self._text, self._at)
            if comma is None:
                return Condition(field, operator, tuple(values))  # type: ignore[arg-type]
            self._at = comma.end()


def _read_group(tokens: _Tokens, joint: Joint, depth: int) -> Expression:
    """Parts with ``or`` between them, or, within those, with ``and``."""
    if depth > DEEPEST:
        raise InvalidExpression("too_deep", str(DEEPEST))
    parts = []
    while True:
        parts.append(_read_group(tokens, "and", depth) if joint == "or" else _read_part(tokens, depth))
        if (tokens.kind, tokens.text) != ("word", joint):
            return join(joint, *parts)
        tokens.advance()


def _read_part(tokens: _Tokens, depth: int) -> Expression:
    if not tokens.kind:
        raise InvalidExpression("incomplete")
    if tokens.kind == "condition" and tokens.condition is not None:
        condition = tokens.condition
        tokens.advance()
        return condition
    if tokens.text == "not":
        if depth > DEEPEST:
            raise InvalidExpression("too_deep", str(DEEPEST))
        tokens.advance()
        return Negation(_read_part(tokens, depth + 1))
    if tokens.text != "(":
        raise InvalidExpression("unexpected", tokens.rest())
    tokens.advance()
    inner = _read_group(tokens, "or", depth + 1)
    if tokens.text != ")":
        raise InvalidExpression("unexpected", tokens.rest()) if tokens.kind else InvalidExpression("incomplete")
    tokens.advance()
    return inner


def replace_values(expression: Expression, field: str, others: Mapping[str, str]) -> Expression:
    """The same, with other values for those of a field that ``others`` names."""
    match expression:
        case Group(joint, parts):
            return Group(joint, tuple(replace_values(part, field, others) for part in parts))
        case Negation(part):
            return Negation(replace_values(part, field, others))
        case Condition(name, operator, values) if name == field:
            return Condition(name, operator, tuple(others.get(value, value) for value in values))
        case _:
            return expression
