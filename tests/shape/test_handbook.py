"""What the handbook lists is all that there is: it does not fall behind when something is added."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from config.logging import SERVICES
from tests.production.test_shape import PROCESSES
from tests.shape.catalogue import REVIEWED_DEFINER_FUNCTIONS

ROOT = Path(settings.BASE_DIR)
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
# They go to every server by themselves.
OF_ALL_SERVERS = {"web", "stream", "consumer"}
ONCE_A_SERVER = {*PROCESSES} - OF_ALL_SERVERS - {"provision", "migrate"}
# Where such processes are listed, and how the list begins.
LISTS = {
    "docs/operations.md": "| relay, mover, ",
    "docs/decisions/0034-several-servers.md": "Relay, mover, ",
    "README.md": "web, stream, consumer, relay, mover, ",
}


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_functions_that_run_as_their_owner_are_counted_and_named() -> None:
    (entry,) = re.findall(r"^- \w+ functions are SECURITY DEFINER.*?(?=^- )", read("docs/security.md"), re.M | re.S)
    assert entry.startswith(f"- {NUMBERS[len(REVIEWED_DEFINER_FUNCTIONS)]} functions")
    # Those that begin a table's next period are named together.
    named = {re.sub(r"^turn_.*", "turn_...", name) for name in REVIEWED_DEFINER_FUNCTIONS}
    assert {name for name in named if f"`{name}`" not in entry} == set()


@pytest.mark.parametrize("place", LISTS)
def test_processes_that_run_once_a_server_are_listed_whole(place: str) -> None:
    """The sandbox's process was in the registry and in none of these lists."""
    text = " ".join(read(place).split())
    listed = text[text.index(LISTS[place]) :][:200].lower()
    assert {name for name in ONCE_A_SERVER if not re.search(rf"\b{name}\b", listed)} == set()


def test_the_names_that_logs_carry_are_listed_whole() -> None:
    logs = read("docs/operations.md").split("### Logs", 1)[1]
    assert {name for name in SERVICES.values() if f"`-{name}`" not in logs} == set()
