"""The list of a past day, and more cards of the board, for a stage that is called otherwise now, or never was."""

from typing import Any
from urllib.parse import parse_qsl

import pytest

from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.configuration.stage_migrations import move_customers
from lifecycle.services.insight.keeping import keep_facts
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.admin.test_trail import words_of
from tests.conftest import make_people
from tests.factories import TenantFactory, utc_now
from tests.services.test_insight import at, tell
from tests.web.conftest import markup_of

BEFORE = ["Trial", "Live", "Paused", "Closed"]
FIRMS = {"Firm Trial", "Firm Live", "Firm Paused", "Firm Closed"}
DAY = at(5).date().isoformat()


@pytest.fixture
def client(db: None, page_client: Any) -> Any:
    """Trial is called Live now, what was Live is called Paid, and Paused has gone: its customers are in Closed."""
    tenant = TenantFactory(configuration={"stages": BEFORE})
    tell(tenant, {f"Firm {stage}": [(0, stage)] for stage in BEFORE}, {})
    with tenant_context(tenant.id):
        publish_configuration(
            {"stages": ["Live", "Paid", "Closed"]},
            tenant=tenant,
            actor=system_actor("tests"),
            now=utc_now(),
            renamed={"Trial": "Live", "Live": "Paid"},
            mapping={"Paused": "Closed"},
        )
    for _ in move_customers(tenant, now=utc_now()):
        pass
    keep_facts(tenant)
    return page_client(make_people(tenant).account_manager)


def firms_in(answer: Any) -> set[str]:
    shown = words_of(answer.content.decode())
    return {name for name in FIRMS if name in shown}


@pytest.mark.parametrize(
    ("stage", "firms", "chosen"),
    [
        ("", FIRMS, ""),
        ("Live", {"Firm Trial"}, "Live"),
        ("Trial", {"Firm Trial"}, "Live"),
        ("Paid", {"Firm Live"}, "Paid"),
        ("Paused", {"Firm Paused"}, "Paused"),
        ("Closed", {"Firm Closed"}, "Closed"),
    ],
)
def test_a_past_day_lists_the_stage_that_is_asked_for_under_each_of_its_names(
    client: Any, stage: str, firms: set[str], chosen: str
) -> None:
    answer = client.get("/customers/as-of", {"day": DAY, "stage": stage})
    assert (answer.status_code, firms_in(answer)) == (200, firms)
    shown = answer.content.decode()
    assert (f'value="{chosen}" selected' in shown) == bool(chosen)
    assert f"{len(firms)} customer" in words_of(shown)


@pytest.mark.parametrize("stage", ["Nowhere", "live", "Paused\u0301"])
def test_a_stage_that_there_never_was_lists_no_one_and_says_which_there_are(client: Any, stage: str) -> None:
    answer = client.get("/customers/as-of", {"day": DAY, "stage": stage})
    assert (answer.status_code, firms_in(answer)) == (400, set())
    assert "There is no stage" in words_of(answer.content.decode())
    assert "Choose one of: “Live”, “Paid” and “Closed”." in words_of(answer.content.decode())


def test_what_the_board_of_a_past_day_leads_to_is_what_its_column_counts(client: Any) -> None:
    shown = words_of(client.get("/board/as-of", {"day": DAY}).content.decode())
    assert "Paused 1 customer" in shown


def test_from_the_list_of_a_past_day_to_its_board_and_back_the_same_customers_are_asked_for(client: Any) -> None:
    asked = {"day": DAY, "known": "recorded", "owner": "ann@acme.example", "segment": "Mid & Market"}
    for here, there in (("/customers/as-of", "/board/as-of"), ("/board/as-of", "/customers/as-of")):
        links = [tag["href"] for tag in markup_of(client.get(here, asked)).all("a") if tag.get("href")]
        (link,) = [link for link in links if link.startswith(f"{there}?")]
        assert dict(parse_qsl(link.partition("?")[2])) == asked


@pytest.mark.parametrize("where", [{"stage": "Nowhere"}, {"category": "nothing"}, {"where": "arr >"}])
def test_more_cards_for_a_filter_that_there_is_not_are_none(client: Any, where: dict[str, str]) -> None:
    assert firms_in(client.get("/board/cards", {"column": "Closed"})) == {"Firm Closed", "Firm Paused"}
    answer = client.get("/board/cards", {"column": "Closed", **where})
    assert (answer.status_code, firms_in(answer)) == (400, set())
