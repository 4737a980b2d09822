"""Numbers that people read are written as their language writes them: nothing in the product puts the commas itself."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.translation import override

from lifecycle.sentences import say
from tenants.rules.messages import Message

BASE = Path(settings.BASE_DIR)
# What operators and records say in English, and the one place that knows of languages.
ENGLISH = {
    "audit/services/verify_bundle.py",
    "lifecycle/delivery/webhooks.py",
    "lifecycle/messaging/process.py",
    "lifecycle/services/compliance/verification.py",
    "lifecycle/services/moving/comparing.py",
    "lifecycle/services/moving/steps.py",
    "tenants/rules/values.py",
    "tenants/sentences/figures.py",
}


def test_no_page_response_or_refusal_writes_thousands_by_itself() -> None:
    written = re.compile(r"\{[^{}\n]*:,[^{}\n]*\}")
    paths = [
        path for app in ("audit", "config", "lifecycle", "storage", "tenants") for path in (BASE / app).rglob("*.py")
    ]
    names = {path.relative_to(BASE).as_posix() for path in paths if written.search(path.read_text())}
    assert {name for name in names if "/management/" not in name} == ENGLISH


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (Message("upload_effects_unconfirmed", {"count": 1234}), "1.234"),
        (Message("import_stopped", {"line": 20_000}), "20.000"),
        (Message("selection_too_large", {"most": 10_000}), "10.000"),
        (Message("url_too_long", {"length": 2_345, "most": 2_000}), "2.345"),
    ],
)
def test_a_message_says_its_numbers_in_german(message: Message, shown: str) -> None:
    with override("de"):
        assert shown in say(message)
    with override("en"):
        assert shown.replace(".", ",") in say(message)
