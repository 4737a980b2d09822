"""docs/architecture.md is the map of the house: what it names is there, and every room is on it."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
MAP = (ROOT / "docs/architecture.md").read_text()
# A path between backticks; after it may come what is meant in the file.
PLACES = sorted(set(re.findall(r"`([a-z0-9_]+(?:/[a-z0-9_]+)+(?:\.[a-z]+)?/?)(?::[^`]*)?`", MAP)))
ROOMS = {
    "lifecycle/services": "the only writers, a room for each subject",
    "lifecycle": "the customers",
    "tenants/services": "accounts and configuration",
}


def test_the_map_names_places() -> None:
    assert len(PLACES) > 20


@pytest.mark.parametrize("place", PLACES)
def test_a_place_on_the_map_exists(place: str) -> None:
    assert (ROOT / place).exists()


@pytest.mark.parametrize("folder", ROOMS)
def test_every_room_is_on_the_map(folder: str) -> None:
    rooms = {
        path.name
        for path in (ROOT / folder).iterdir()
        if (path / "__init__.py").is_file() and path.name != "migrations"
    }
    picture = MAP.split("```")[1]
    assert {room for room in rooms if not re.search(rf"(?:^|[\s/]){room}/", picture)} == set()


def test_the_map_is_one_screen() -> None:
    """The rooms and who changes what, before anything is explained."""
    until_table = MAP[: MAP.index("Then run `manage.py describe_events`")]
    assert until_table.count("\n") < 80
