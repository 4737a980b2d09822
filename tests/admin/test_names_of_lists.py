"""Each list of the administration is called what it lists, and says so when there is nothing in it."""

import re
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib import admin
from django.urls import reverse

from lifecycle.admin.actions import ACTIONS
from tests.web.conftest import text_of

# How the services say which action an entry of the administration log is about.
RECORDED = re.compile(
    r'(?:\baction=|_record\(|\brecord_administration\(|\brecord_person\(|\bactions\.append\()\s*"([a-z_]+)"'
)
RECORDED_BY_NAME = re.compile(r"\b(?:action=|record_administration\()\s*((?:\w+\.)?[A-Z_]+)\b")

# With a page of their own instead of Django's list, and those of internal staff.
OTHERS = {
    "tenants.ConfigurationVersion",
    "lifecycle.ImportUpload",
    "tenants.Tenant",
    "lifecycle.DeadLetter",
}


def heading_of(page: Any) -> str:
    (heading,) = re.findall(r"<h1[^>]*>(.*?)</h1>", page.content.decode(), re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", heading)).strip()


def test_a_list_is_called_what_it_lists(page_client: Any, users: Any) -> None:
    client = page_client("tenant_admin")
    models = [model for model in admin.site._registry if model._meta.label not in OTHERS]
    called = {}
    for model in models:
        meta = model._meta
        called[meta.label] = heading_of(client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")))
    plurals = {model._meta.label: str(model._meta.verbose_name_plural) for model in models}
    assert len(called) >= 9
    assert {label: heading.lower() for label, heading in called.items()} == {
        label: plural.lower() for label, plural in plurals.items()
    }


def test_an_empty_list_says_why_it_is_empty(page_client: Any, users: Any) -> None:
    client = page_client("tenant_admin")
    assert "Nothing here yet." in text_of(client.get(reverse("admin:lifecycle_effectrun_changelist")))
    people = reverse("admin:tenants_user_changelist")
    # Not in words: each is looked for by itself, and Leonore Jones is not "no one".
    nothing = text_of(client.get(people, {"q": uuid4().hex}))
    assert "Nothing matches. Change the search, or remove a filter." in nothing
    assert "Nothing matches" not in text_of(client.get(people))


def test_the_administration_log_names_every_action_that_the_product_records() -> None:
    known = set(ACTIONS)
    rooms = (Path(settings.BASE_DIR, room, "services") for room in ("lifecycle", "tenants"))
    found = set()
    for path in (path for room in rooms for path in room.rglob("*.py")):
        source = path.read_text()
        found |= set(RECORDED.findall(source))
        if constants := RECORDED_BY_NAME.findall(source):
            module = import_module(".".join(path.relative_to(settings.BASE_DIR).with_suffix("").parts))
            found |= {attrgetter(constant)(module) for constant in constants}
    assert {
        "complete_task",
        "impersonate",
        "reset_sandbox",
        "save_view",
        "snooze_customer",
        "set_role",
        "set_team",
    } <= found
    assert found - known == set()
