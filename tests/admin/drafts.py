"""Drafts of a tenant's configuration, and the editor as somebody fills it in."""

from typing import Any

from django.test import Client
from django.urls import reverse

from audit.models import AdministrationEntry
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion
from tenants.services.configuration.versions import open_draft
from tests.admin.sheets import post
from tests.factories import utc_now

OVERVIEW = "admin:tenants_configurationversion_changelist"
EDITOR = "admin:tenants_configurationversion_change"


def new_draft(tenant: TenantRef, document: Any = None, **fields: Any) -> ConfigurationVersion:
    with tenant_context(tenant.id):
        made = open_draft(tenant=tenant, actor=system_actor("tests"), now=utc_now(), document=document)
        for name, value in fields.items():
            setattr(made, name, value)
        made.save()
    return made


def reread(tenant: TenantRef, draft: ConfigurationVersion) -> ConfigurationVersion:
    with tenant_context(tenant.id):
        return ConfigurationVersion.objects.get(pk=draft.pk)


def entries(tenant: TenantRef) -> list[tuple[str, str]]:
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.order_by("id").values_list("action", "reason"))


def editor(draft: ConfigurationVersion) -> str:
    return reverse(EDITOR, args=[draft.pk])


def form_of(answer: Any, do: str = "save") -> dict[str, Any]:
    """What a browser would send from this editor's form."""
    data = post(answer.context["sheet"])
    data["view"], data["do"], data["revision"] = "form", do, str(answer.context["revision"])
    data["comment"] = answer.context["work"].comment
    return dict(data.lists())


def reported(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def publish(client: Client, draft: ConfigurationVersion, comment: str, **fields: Any) -> Any:
    page = reverse("admin:configuration_publish", args=[draft.pk])
    shown = client.get(page)
    data = {name: shown.context["form"][name].value() for name in ("expected_version", "expected_revision")}
    return client.post(page, {**data, "comment": comment, **fields}, follow=True)
