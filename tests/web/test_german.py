"""The pages in German: every sentence, numbers and dates as German writes them, and nothing that a machine reads."""

import datetime as dt
import re

import pytest
from django.utils.formats import date_format as format_day
from django.utils.translation import gettext, override

from lifecycle.admin.configuration.words import MOMENTS
from lifecycle.sentences import say
from lifecycle.web.tags import renewal_distance
from tenants.rules.messages import Message
from tenants.sentences.figures import say_day, say_month, say_short_day
from tests.entry_points.test_pages import PAGES
from tests.web.conftest import text_of
from tests.web.test_translations import customers

__all__ = ["customers"]

# Lengths and places of drawings, and values of fields: read by browsers, which know points alone.
MACHINE_READ = re.compile(
    r'\b(?:x|y|[xy][12]|cx|cy|r|rx|width|height|offset|value|min|max|viewBox|transform|stroke-[a-z]+)="[^"]*\d,\d[^"]*"'
)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_is_in_german_for_who_asks_for_it(page_client, customers, page):
    _, at_risk = customers
    address = page.replace("{customer_id}", str(at_risk)).replace("{path}", "arr")
    client = page_client("account_manager")
    german, english = (client.get(address, headers={"Accept-Language": language}) for language in ("de", "en"))
    assert german.status_code == english.status_code == 200
    text = german.content.decode()
    if "<html" in text:
        assert '<html lang="de"' in text
        assert "Accept-Language" in german.headers["Vary"]
    assert MACHINE_READ.findall(text) == []
    assert re.findall(r"\d%", text_of(german)) == [], "German has a blank before the sign"
    assert text != english.content.decode() or page == "/board/cards"


def test_sentences_numbers_money_and_days_are_german(page_client, customers):
    _, at_risk = customers
    client = page_client("account_manager")
    page = client.get(f"/customers/{at_risk}", headers={"Accept-Language": "de-AT, en;q=0.5"}).content.decode()
    assert "In einer gefährdeten Phase." in page
    assert "120.000\u00a0€" in page
    assert "€120,000" not in page
    assert re.search(r"\d{1,2}\. [A-Z]\w+\.? 20\d\d, \d\d:\d\d UTC", page)
    refused = client.get("/customers?stage=Nowhere", headers={"Accept-Language": "de"}).content.decode()
    assert "Eine Phase „Nowhere“ gibt es nicht." in refused


def test_the_order_of_a_list_is_said_with_the_capitals_of_its_language(page_client, customers):
    client = page_client("account_manager")

    def caption(language, ordering):
        page = client.get("/customers", {"ordering": ordering}, headers={"Accept-Language": language})
        return re.search("<caption>([^<]+)</caption>", page.content.decode())[1]

    assert caption("de", "renewal_on") == "Kunden, nächste Verlängerung zuerst"
    assert caption("en", "csat") == "Customers, lowest CSAT first"


def test_a_figure_that_changed_says_so_without_an_arrow():
    with override("de"):
        params = {"before": "2026-12-29", "now": "2027-01-04"}
        said = [
            say(Message("changed_open_issues", {"before": 3, "now": 7})),
            say(Message("changed_renewal_on", params)),
            say(Message("changed_arr", {"before": None, "now": "48000", "currency": "EUR"})),
        ]
    assert said == [
        "offene Tickets 7 (zuvor 3)",
        "Verlängerung 4. Jan. 2027 (zuvor 29. Dez. 2026)",
        "Jahresumsatz 48.000\u00a0€ (zuvor –)",
    ]


@pytest.mark.parametrize(
    ("left", "said"),
    [(0, "heute"), (1, "in 1 Tag"), (32, "in 32 Tagen"), (-1, "vor 1 Tag"), (-1204, "vor 1.204 Tagen")],
)
def test_how_far_a_renewal_is_off_is_inflected(left, said):
    with override("de"):
        assert renewal_distance(left) == said


def test_a_day_in_the_admin_is_written_as_on_the_pages():
    with override("de"):
        assert (
            format_day(dt.date(2026, 11, 28), "SHORT_DATE_FORMAT") == say_day(dt.date(2026, 11, 28)) == "28. Nov. 2026"
        )
        assert say_short_day(dt.date(2026, 3, 14)) == "14. März 26"
        assert say_month(dt.date(2026, 10, 1)) == "Okt. 2026"


def test_a_customer_leaves_and_a_seal_has_leaves():
    """One word of English that German says by two."""
    with override("de"):
        assert {name: str(words) for name, words in MOMENTS.items()} == {
            "enter": "in eine Phase kommt",
            "leave": "eine Phase verlässt",
        }
        assert gettext("leaves") == "Blätter"


def test_the_language_of_ones_own_settings_goes_before_the_browsers(page_client, customers):
    client = page_client("account_manager")
    account = client.get("/account", headers={"Accept-Language": "en"}).content.decode()
    assert re.search(r'<option value="de"[^>]*>Deutsch</option>', account)
    saved = client.post("/account/settings", {"language": "de", "time_zone": "Europe/Berlin"}, follow=True)
    assert saved.status_code == 200
    home = client.get("/", headers={"Accept-Language": "en"}).content.decode()
    assert '<html lang="de"' in home and "Wen Sie heute anrufen, und warum." in home


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        (
            "en",
            ["Low satisfaction: 3.7 of 5.", "Ask what makes them unhappy: they rate support at 3.7 of 5."],
        ),
        ("de", ["Geringe Zufriedenheit: 3,7 von 5.", "3,7 von 5"]),
    ],
)
def test_the_satisfaction_in_a_sentence_is_written_as_its_reader_writes_it(language, sentences):
    with override(language):
        said = [say(Message(name, {"csat": "3.7"})) for name in ("low_satisfaction", "ask_what_is_wrong")]
    assert [sentence in one for sentence, one in zip(sentences, said, strict=True)] == [True, True], said
