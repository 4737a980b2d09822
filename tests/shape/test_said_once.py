"""A thing is said once: anyone who adds a field, an event type or a filter finds one place."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from lifecycle.queries.list_columns import LIST_COLUMNS
from lifecycle.queries.list_filters import LIST_FILTERS
from lifecycle.queries.listing import ORDERINGS
from lifecycle.rules.event_types import EVENT_TYPES
from lifecycle.sentences.configuration import KIND_WORDS
from tenants.rules.configuration.effect_kinds import EFFECT_KINDS

BASE = Path(settings.BASE_DIR)
# What tells stories, and offers beginnings, has names of its own.
STORIES = ("lifecycle/services/demo/", "tenants/rules/configuration/starters.py", "lifecycle/migrations/")

# The list compares it, shows it, sorts by it, and says so.
LISTED = {
    "lifecycle/queries/list_conditions.py",
    "lifecycle/queries/list_columns.py",
    "lifecycle/queries/list_named.py",
    "lifecycle/queries/list_orderings.py",
    "lifecycle/web/list_cells.py",
    "lifecycle/web/list_page.py",
}


def say(text: str) -> set[str]:
    """The files of the product in which the text stands as a string of its own."""
    quoted = re.compile(rf"""["']{re.escape(text)}["']""")
    paths = [
        path for app in ("audit", "tenants", "lifecycle", "config", "storage") for path in (BASE / app).rglob("*.py")
    ]
    names = {path.relative_to(BASE).as_posix() for path in paths if quoted.search(path.read_text())}
    return {name for name in names if not name.startswith(STORIES)}


@pytest.mark.parametrize("name", list(EVENT_TYPES))
def test_a_type_of_event_is_named_in_its_entry(name: str) -> None:
    # ``customer.created`` makes customers: batch processing asks for it.
    assert say(name) - {"lifecycle/services/events/tenant_batches.py", "lifecycle/services/events/samples.py"} == {
        "lifecycle/rules/event_types.py"
    }


def test_a_field_that_nothing_calculates_with_is_named_in_its_entry() -> None:
    assert say("website") == {"lifecycle/rules/fields.py"}
    # Figures are of those of a segment, whose sums are kept.
    figures = {
        "lifecycle/models/insight.py",
        "lifecycle/queries/insight/facts.py",
        "lifecycle/services/insight/keeping.py",
        "lifecycle/services/insight/sums.py",
        "lifecycle/services/insight/reading.py",
        "lifecycle/services/insight/asking.py",
        "lifecycle/services/insight/as_of.py",
        "lifecycle/services/insight/as_of_board.py",
        "lifecycle/services/insight/forecasts.py",
        "lifecycle/services/work/renewals.py",
        "lifecycle/api/insight_parameters.py",
        "lifecycle/api/viewsets/insight.py",
        "lifecycle/web/views/as_of.py",
    }
    assert say("segment") - LISTED - figures == {
        "lifecycle/rules/fields.py",
        "lifecycle/rules/event_types.py",
    }


@pytest.mark.parametrize("name", ["renewal_within", "stuck", "industry"])
def test_a_filter_of_the_list_is_named_in_its_entry_and_where_it_is_asked_for(name: str) -> None:
    assert say(name) - {"lifecycle/services/home/short_lists.py", "lifecycle/web/list_page.py"} - {
        *LISTED,
        # The index of the filter.
        "lifecycle/models/customers.py",
        "lifecycle/rules/fields.py",
        "lifecycle/rules/event_types.py",
    } == {"lifecycle/queries/list_filters.py"}


def test_what_a_head_of_the_table_asks_for_is_an_order_of_the_list() -> None:
    assert {column.ordering for column in LIST_COLUMNS if column.ordering} <= ORDERINGS.keys()
    assert {name for name, one in LIST_FILTERS.items() if one.label and not one.words} == set()


def test_every_kind_of_effect_has_its_words() -> None:
    assert set(KIND_WORDS) == set(EFFECT_KINDS)
