"""Schemas of event types in several versions."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from lifecycle.rules import schemas
from lifecycle.rules.envelopes import Event, Invalid
from lifecycle.sentences import say
from tests.rules.envelopes import GOOD, code, read


@pytest.fixture
def second_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The day on which ``customer.created`` gets another version, in which the name is an object."""
    for path in schemas.FOLDER.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    document = schemas.load_schema("customer.created")
    document["$id"] = "urn:customer360:schema:customer.created:2"
    document["properties"]["name"] = {"type": "object", "required": ["legal"]}
    (tmp_path / "customer.created.v2.json").write_bytes(orjson.dumps(document))
    monkeypatch.setattr(schemas, "registry", schemas.Registry(tmp_path))


FIRST, SECOND, THIRD = (f"urn:customer360:schema:customer.created:{version}" for version in (1, 2, 3))


@pytest.mark.parametrize(
    ("dataschema", "name", "expected"),
    [
        (FIRST, "Acme", 1),
        (SECOND, {"legal": "Acme Ltd"}, 2),
        (None, {"legal": "Acme Ltd"}, 2),
        # Its sender names no version, because there was one only when it was written.
        (None, "Acme", 1),
        # What fits no version is read as the one that it names, else as the newest, without what cannot be read.
        (FIRST, {"legal": "Acme Ltd"}, 1),
        (SECOND, "Acme", 2),
        (None, 5, 2),
        (THIRD, "Acme", "unknown_type"),
    ],
)
def test_an_event_of_a_former_version_stays_valid_when_a_new_one_arrives(
    second_version: None, dataschema: str | None, name: Any, expected: int | str
) -> None:
    document = {**GOOD, "data": {"external_id": "c1", "name": name}}
    if dataschema is not None:
        document["dataschema"] = dataschema
    found = read(document)
    assert (found.version if isinstance(found, Event) else found.code) == expected


def test_other_types_know_nothing_of_the_new_version(second_version: None) -> None:
    updated = {**GOOD, "type": "customer.updated", "dataschema": "urn:customer360:schema:customer.updated:1"}
    assert code(updated) == "valid"
    assert code({**updated, "dataschema": "urn:customer360:schema:customer.updated:2"}) == "unknown_type"


def test_a_version_that_comes_later_learns_which_ones_are_known(second_version: None) -> None:
    found = read({**GOOD, "dataschema": THIRD})
    assert isinstance(found, Invalid)
    assert say(found.reason) == (
        "The event names in dataschema no schema of customer.created that is known here. Known are:"
        f" {SECOND}, {FIRST}. Have its sender name one of them."
    )
    assert (found.tenant, found.type, found.id) == ("acme", "customer.created", "e-1")


def test_a_folder_that_lacks_a_schema_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "envelope.v1.json").write_text("{}")
    with pytest.raises(ValueError, match=r"has no first version of the schema of customer\.created, customer\.updated"):
        schemas.Registry(tmp_path)
