"""The list of refusals is one: who refuses with a code uses the status that the registry has for it."""

import ast
from pathlib import Path

from tenants.refusals import STATUS_OF_CODE

ROOMS = ("storage", "audit", "tenants", "lifecycle", "config")


def find_refusals():
    """(file, status or None, code) of each call that refuses with a code written out."""
    for path in (path for room in ROOMS for path in Path(room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            values = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
            if name == "problem_response" and len(values) > 1:
                yield str(path), values[0], values[1]
            elif name in ("RequestRefused", "Problem") and values and isinstance(values[0], str):
                yield str(path), None, values[0]


def test_every_code_that_a_request_is_refused_with_is_registered_with_its_status():
    found = list(find_refusals())
    assert len(found) > 20
    assert [each for each in found if STATUS_OF_CODE.get(each[2]) is None] == []
    assert [each for each in found if each[1] is not None and STATUS_OF_CODE[each[2]] != each[1]] == []
