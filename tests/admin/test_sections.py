"""The administration begins with the lifecycle, and every page of it is in a section, under a plain name."""

import re
from html import unescape
from typing import Any

from django.contrib import admin
from django.urls import reverse

from config.labels import APPS
from config.sections import SECTIONS
from tests.admin.test_walk import browser


def test_the_lifecycle_comes_first_and_every_model_is_in_a_section(users: Any) -> None:
    admin.autodiscover()
    named = [entry.model for section in SECTIONS for entry in section.entries]
    # Django's own groups are registered or not, as tests happen to import the pages.
    ours = [model._meta.label_lower for model in admin.site._registry if model._meta.app_label in APPS]
    assert sorted(named) == sorted(ours)
    assert named[0] == "tenants.configurationversion"
    answer = browser(users.tenant_admin).get(reverse("admin:index"))
    sections = [
        (section["name"], [model["name"] for model in section["models"]]) for section in answer.context["app_list"]
    ]
    assert [name for name, _ in sections] == ["Lifecycle", "Customers", "People and access", "Audit"]
    assert sections[0][1] == ["Lifecycle", "Automation runs", "Webhook endpoints", "Blocked moves"]
    body = answer.content.decode()
    assert "Configuration versions" not in body and "Recent actions" not in body
    assert "Stages, transitions, rules and automations: what is live" in body


def test_the_administration_has_the_navigation_of_the_product(users: Any) -> None:
    body = browser(users.tenant_admin).get(reverse("admin:index")).content.decode()
    for name in ("overview", "customer-list", "renewals", "board", "insight", "account"):
        assert f'href="{reverse(name)}"' in body
    assert 'aria-current="true"' in body
    assert "theme-toggle" not in body and "dark_mode" not in body


def test_the_way_back_has_no_step_that_the_administration_does_not_show(users: Any) -> None:
    client = browser(users.tenant_admin)
    for address, crumbs in (
        ("/admin/tenants/user/", ["Home", "Users"]),
        ("/admin/tenants/user/add/", ["Home", "Users", "Add user"]),
        (f"/admin/tenants/user/{users.viewer.pk}/change/", ["Home", "Users", users.viewer.username]),
    ):
        body = client.get(address).content.decode()
        line = body.partition('<div class="breadcrumbs">')[2].partition("</div>")[0]
        assert [word.strip() for word in re.sub(r"<[^>]*>", "", unescape(line)).split("›")] == crumbs
