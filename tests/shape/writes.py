"""Finding writes in source code: methods of models and managers that change rows, and SQL that does."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ON_MANAGERS = frozenset(
    {"create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "update", "delete"}
)
ON_INSTANCES = frozenset({"save", "delete"})
# What makes a chain of calls a query: ``x.filter(...).update(...)`` writes, ``{}.update(...)`` does not.
QUERIES = frozenset(
    {"objects", "_default_manager", "_base_manager", "filter", "exclude", "all", "using", "get_queryset"}
)
SQL = re.compile(
    r"\b(INSERT\s+INTO|UPDATE\s+[\w.]+\s+(\w+\s+)?SET|DELETE\s+FROM|TRUNCATE|MERGE\s+INTO)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Write:
    """A place that writes."""

    file: str
    line: int
    code: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.code}"


def find_writes(file: str, source: str) -> Iterator[Write]:
    """Every write in a module's source."""
    nodes = list(ast.walk(ast.parse(source)))
    prose = set(_docstrings(nodes))
    parts = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            receiver = node.func.value
            # Each has an asynchronous twin: asave, abulk_create...
            names = {node.func.attr, node.func.attr.removeprefix("a")}
            if (names & ON_MANAGERS and _is_query(receiver)) or (names & ON_INSTANCES and not _is_super(receiver)):
                yield Write(file, node.lineno, ast.unparse(node.func))
        elif isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)
            if SQL.search(text):
                yield Write(file, node.lineno, " ".join(text.split())[:60])
        elif isinstance(node, ast.Constant) and node not in prose | parts and SQL.search(str(node.value)):
            yield Write(file, node.lineno, " ".join(str(node.value).split())[:60])


def find_texts(source: str) -> Iterator[tuple[int, str]]:
    """Every string of a module's source that is not a docstring, with its line."""
    nodes = list(ast.walk(ast.parse(source)))
    prose = set(_docstrings(nodes))
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose:
            yield node.lineno, node.value


def sources(root: Path, *packages: str) -> Iterator[tuple[str, str]]:
    """File name and source of every module of the packages, without their migrations."""
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(root)), path.read_text()


def _docstrings(nodes: list[ast.AST]) -> Iterator[ast.Constant]:
    for node in nodes:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            for statement in body:
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    yield statement.value


def _is_query(node: ast.AST) -> bool:
    while True:
        if isinstance(node, ast.Attribute):
            if node.attr in QUERIES:
                return True
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return False


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
