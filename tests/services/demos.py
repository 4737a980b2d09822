"""The demo loaded by its command, and tenants of its stories."""

from datetime import UTC, datetime
from io import StringIO

from django.core.management import call_command
from django.test import override_settings

from lifecycle.services.demo import scenarios
from tenants.actors import TenantRef
from tenants.services.directory import find_tenant

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
OWNERS = ("a@x.example", "b@x.example")


def load(*options: str) -> str:
    out = StringIO()
    with override_settings(DEBUG=True):
        call_command("load_demo", *options, stdout=out, stderr=StringIO())
    return out.getvalue()


def tenant_called(slug: str) -> TenantRef:
    tenant = find_tenant(slug)
    assert tenant is not None
    return tenant


def with_slug(scenario: scenarios.Scenario, slug: str) -> scenarios.Scenario:
    """The scenario as another tenant's, with people of its own."""
    from dataclasses import replace

    people = tuple(replace(login, username=login.username.replace("@", f"+{slug}@")) for login in scenario.people)
    return replace(scenario, slug=slug, people=people)
