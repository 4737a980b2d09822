"""`.env.example` lists exactly the variables that the settings read."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


def test_every_variable_is_in_the_example_and_every_example_is_a_variable() -> None:
    settings = (PROJECT / "config" / "settings.py").read_text()
    read = set(re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", settings))
    listed = set(re.findall(r"^([A-Z_]+)=", (PROJECT / ".env.example").read_text(), flags=re.M))
    assert read - listed == set(), "read, and not in .env.example"
    assert listed - read == set(), "in .env.example, and not read"
    assert len(read) > 20
