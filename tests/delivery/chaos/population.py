"""The tenant of a run, its owner, and its customers."""

import datetime as dt
from typing import Any


def prepare_tenant(slug: str = "acme", *, makes_database: bool = True) -> tuple[Any, str, Any, dt.datetime]:
    """A tenant with one account manager: the tenant, their user name, who made it, and when."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from tenants.actors import system_actor
    from tenants.roles import Role
    from tenants.services.accounts.people import create_tenant, create_user

    if makes_database:
        call_command("provision_database", verbosity=0)
        call_command("migrate", verbosity=0)
    now, actor = timezone.now(), system_actor("chaos")
    tenant = create_tenant(slug=slug, name=slug.title(), actor=actor, now=now)
    owner = create_user(
        tenant=tenant,
        role=Role.ACCOUNT_MANAGER,
        username=f"olga@{slug}.example",
        full_name="Olga Owner",
        password=None,
        now=now,
    )
    return tenant, owner.username, actor, now


def fill_tenant(tenant: Any, owner: str, document: dict[str, Any], count: int) -> list[Any]:
    """Publish its configuration, and record so many customers of one owner; their ids."""
    from django.utils import timezone

    from lifecycle.services.configuration.publication import publish_configuration
    from lifecycle.services.customers.recording import CustomerFacts, record_customers
    from tenants.actors import system_actor
    from tenants.context import tenant_context

    now, actor = timezone.now(), system_actor("chaos")
    with tenant_context(tenant.id):
        publish_configuration(document, tenant=tenant, actor=actor, now=now)
        recorded = record_customers(
            [
                CustomerFacts(
                    external_id=f"crm-{number}",
                    source="/crm",
                    occurred_at=now,
                    company={"name": f"Company {number}", "owner": owner},
                )
                for number in range(count)
            ],
            tenant=tenant,
            actor=actor,
            source="Import",
            now=now,
            create=True,
        )
    return [one.customer_id for one in recorded]
