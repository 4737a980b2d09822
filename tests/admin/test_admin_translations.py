"""The lists and forms of the admin go through gettext, down to what a model's fields are called."""

from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import Tenant, User
from tests.admin.test_translations import pseudo_locale, untranslated
from tests.admin.test_walk import browser
from tests.factories import CustomerFactory

__all__ = ["pseudo_locale"]

# Of Django's own templates, which do not look them up; and what people wrote.
DATA = ("Search", "True", "False", "crm-")


def test_every_list_and_form_of_the_admin_can_be_translated(
    tenant: TenantRef, users: Any, request: pytest.FixtureRequest
) -> None:
    customer = CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    client = browser(users.tenant_admin)
    with tenant_context(tenant.id):
        people = list(User.objects.filter(tenant_id=tenant.id))
        company = Tenant.objects.get(id=tenant.id)
    names = [*DATA, customer.name, company.name, company.slug]
    names += [name for one in people for name in (one.full_name, one.username)]
    request.getfixturevalue("pseudo_locale")
    found = {}
    for model in admin.site._registry:
        pages = [f"admin:{model._meta.app_label}_{model._meta.model_name}_{kind}" for kind in ("changelist", "add")]
        for address in map(reverse, pages):
            answer = client.get(address)
            if answer.status_code == 200:
                found[address] = untranslated(answer, *names)
    for address in (
        reverse("admin:index"),
        reverse("admin:personal_data"),
        reverse("admin:effects_control"),
        reverse("admin:refusals_summary"),
        reverse("admin:tenants_user_change", args=[users.viewer.pk]),
    ):
        found[address] = untranslated(client.get(address), *names)
    assert len(found) > 20
    left = {address: words for address, words in found.items() if words}
    assert left == {}, "\n".join(map(str, left.items()))
