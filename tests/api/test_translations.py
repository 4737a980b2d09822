"""A refusal is said in the language that the caller asks for, as soon as there is a catalog of it."""

import re

import pytest
from django.conf import settings as django_settings
from django.utils import translation
from django.utils.translation import trans_real

from lifecycle.sentences.writing import forget_sentences
from tenants.api.serializers import _kept
from tests.admin.test_translations import TRANSLATED
from tests.factories import MINIMAL
from tests.services.publishing import publish

LOCALE = "config.languages.ChooseLanguage"
# What no one translates: the tenant's names, and those of the API's fields, headers and addresses.
DATA = ("Prospect", "Onboarded", "Active", "At-Risk", "Churned", "Nowhere", "Whim", "Late", "Escalate", "alert")
FIELDS = ("stage", "note", "limit", "ordering", "reason_code", "version", "items", "mood")
NO_ONE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def german(settings, monkeypatch):
    """A catalog of German in which every sentence is the English one, in brackets."""
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    settings.MIDDLEWARE = [LOCALE, *django_settings.MIDDLEWARE]

    def say(_, message):
        return f"⟦{message}⟧" if translation.get_language() == "de" else message

    def say_number(_, singular, plural, count):
        return say(_, singular if count == 1 else plural)

    monkeypatch.setattr(trans_real.DjangoTranslation, "gettext", say)
    monkeypatch.setattr(trans_real.DjangoTranslation, "ngettext", say_number)
    # Serializers that are kept hold their messages: German ones of tests before, and those of these for tests after.
    _kept.cache_clear()
    forget_sentences()
    yield
    forget_sentences()
    _kept.cache_clear()


def untranslated(text):
    """What is left of a sentence without what was translated and what is data."""
    while text != (text := TRANSLATED.sub(" ", text)):
        pass
    for name in (*DATA, *FIELDS):
        text = text.replace(name, " ")
    return re.findall("[A-Za-z]{2,}", text)


@pytest.mark.parametrize(
    ("who", "method", "address", "body", "headers", "status"),
    [
        ("account_manager", "patch", "lifecycle", {"stage": "Nowhere"}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Activ"}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "At-Risk"}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Churned", "reason_code": "Whim"}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Onboarded"}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Active"}, {"If-Match": '"7"'}, 412),
        ("account_manager", "patch", "lifecycle", {"stage": "Active"}, {"If-Match": "seven"}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Active", "confirm_effects": 3}, {}, 409),
        ("account_manager", "patch", "lifecycle", {"stage": "Active", "updated_by": "x"}, {}, 403),
        ("account_manager", "patch", "lifecycle", {"stage": "Active", "mood": 1}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": 7}, {}, 400),
        ("account_manager", "patch", "lifecycle", {}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Active"}, {"Idempotency-Key": "é"}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Churned", "reason_code": "x" * 300}, {}, 400),
        ("account_manager", "patch", "lifecycle", {"stage": "Active", "note": "\x07"}, {}, 400),
        ("account_manager", "delete", "lifecycle", {}, {}, 405),
        ("viewer", "patch", "lifecycle", {"stage": "Active"}, {}, 403),
        ("viewer", "get", "lifecycle/history", None, {}, 403),
        ("viewer", "get", f"/api/v1/customers/{NO_ONE}", None, {}, 404),
        ("viewer", "get", "/api/v1/customers/7", None, {}, 400),
        ("viewer", "get", "/api/v1/nowhere", None, {}, 404),
        ("viewer", "get", "/api/v1/customers?mood=good", None, {}, 400),
        ("viewer", "get", "/api/v1/customers?stage=Nowhere", None, {}, 400),
        ("viewer", "get", "/api/v1/customers?limit=0", None, {}, 400),
        ("viewer", "get", "/api/v1/customers?limit=1&limit=2", None, {}, 400),
        ("viewer", "get", "/api/v1/customers?cursor=x", None, {}, 400),
        ("viewer", "put", "/api/v1/configuration", {}, {}, 403),
        (None, "get", "/api/v1/customers", None, {}, 401),
    ],
)
def test_a_refusal_is_said_in_the_callers_language(
    german, tenant, customer, api_client, who, method, address, body, headers, status
):
    publish(tenant, {**MINIMAL, "transitions": {"Prospect": ["Active", "At-Risk", "Churned"]}} | REASONS)
    path = address if address.startswith("/") else f"/api/v1/customers/{customer.id}/{address}"

    def send(language):
        sent = {"data": body, "format": "json"} if body is not None else {}
        return getattr(api_client(who), method)(path, **sent, headers={**headers, "Accept-Language": language})

    english, other = send("en"), send("de")

    assert (english.status_code, other.status_code) == (status, status)
    assert "⟦" not in english.content.decode()
    problem = other.json()
    assert problem["code"] == english.json()["code"]
    said = [problem["title"], problem["detail"], *(error["detail"] for error in problem.get("errors", []))]
    assert [untranslated(one) for one in said] == [[] for _ in said], said


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[]", b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\u0000"}']
)
def test_a_body_that_is_no_json_is_refused_in_the_callers_language(german, customer, api_client, body):
    path = f"/api/v1/customers/{customer.id}/lifecycle"
    headers = {"Accept-Language": "de"}
    answer = api_client("account_manager").generic(
        "PATCH", path, body, content_type="application/json", headers=headers
    )
    assert answer.status_code == 400
    # The parser's own word for what it expected is Python's.
    said = re.sub(r": Expecting [a-z ]+", "", answer.json()["detail"])
    assert said.startswith("⟦") and untranslated(said) == [], said


def test_a_field_that_is_too_long_is_refused_in_the_language_of_each_caller_in_turn(german, customer, api_client):
    client, path = api_client("account_manager"), f"/api/v1/customers/{customer.id}/lifecycle"
    body = {"stage": "x" * 1000, "note": "y" * 100_000}

    answers = [
        client.patch(path, body, format="json", headers={"Accept-Language": language}).json()["errors"]
        for language in ("de", "en", "de", "en")
    ]

    english = "Ensure this field has no more than 100 characters."
    assert next(error["detail"] for error in answers[1]) == english
    assert answers[0] == answers[2] and answers[1] == answers[3]
    assert all(one["detail"] != other["detail"] for one, other in zip(*answers[:2], strict=True))


REASONS = {"reason_codes": {"Churned": ["Late"]}}


def test_a_summary_says_its_reasons_in_the_callers_language(german, tenant, customer, api_client):
    path = f"/api/v1/customers/{customer.id}/lifecycle/summary"
    client = api_client("viewer")

    # Twice: the second comes from the cache, which keeps no sentence.
    answers = [client.get(path, headers={"Accept-Language": language}).json() for language in ("de", "en", "de")]

    sentence = "No annual revenue is known, so this customer ranks below those with revenue at stake."
    assert [one["urgency_reason"] for one in answers] == [f"⟦{sentence}⟧", sentence, f"⟦{sentence}⟧"]
