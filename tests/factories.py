"""Made-up tenants, people and customers: what a test gets is what production would hold, as the services make it."""

import datetime as dt
import json
from functools import cache
from typing import Any

import factory
from faker import Faker
from uuid_utils.compat import uuid7

from lifecycle.models.customers import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.transitions.apply import Call, place
from tenants.actors import TenantRef, system_actor
from tenants.authentication import Impersonation
from tenants.context import tenant_context
from tenants.models import TokenIssuer, User
from tenants.roles import Role
from tenants.rules.texts import fold_text
from tenants.rules.values import sort_key
from tenants.services.accounts.people import build_user, create_tenant, create_user
from tests.copied_tenants import Original, keep

PASSWORD = "correct horse battery staple"
# Anyone who arranges things before a test begins.
ADMIN_ACTOR = system_actor("tests")

# The contract's example, word for word. Only Prospect leads anywhere: see SAAS for a configuration with a full graph.
CONTRACT_EXAMPLE: dict[str, Any] = {
    "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
    "required_reason_codes": ["At-Risk", "Churned"],
    "initial": "Prospect",
    "transitions": {"Prospect": ["Onboarded", "Churned"]},
    "categories": {"Prospect": "acquisition", "At-Risk": "risk", "Churned": "lost"},
    "reason_codes": {"At-Risk": ["Low Engagement", "Support Escalation"]},
    "event_rules": [
        {
            "event": "contract.renewed",
            "from": ["Active", "At-Risk"],
            "to": "Active",
            "reason_code": "Contract Renewed",
        }
    ],
    "max_days": {"Onboarded": 30},
    "effects": [{"name": "Escalate", "on": "enter", "categories": ["risk"], "kind": "alert", "to": ["owner"]}],
}

# DM-4 as it stands: two keys, every stage leads to every other.
MINIMAL: dict[str, Any] = {
    "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
    "required_reason_codes": ["At-Risk", "Churned"],
}

# Another tenant's lifecycle: other names, a full graph, colours, a limit, and no name in common with the above.
SAAS: dict[str, Any] = {
    "stages": ["Trial", "Rollout", "Live", "Wobbly", "Renewing", "Lost"],
    "required_reason_codes": ["Wobbly", "Lost"],
    "initial": "Trial",
    "transitions": {
        "Trial": ["Rollout", "Lost"],
        "Rollout": ["Live", "Wobbly", "Lost"],
        "Live": ["Wobbly", "Renewing"],
        "Wobbly": ["Live", "Renewing", "Lost"],
        "Renewing": ["Live", "Lost"],
        "Lost": ["Trial"],
    },
    "categories": {
        "Trial": "acquisition",
        "Rollout": "onboarding",
        "Live": "engaged",
        "Wobbly": "risk",
        "Renewing": "renewal",
        "Lost": "lost",
    },
    "reason_codes": {"Wobbly": ["Usage Dropped", "Champion Left"]},
    "max_days": {"Trial": 14, "Rollout": 60, "Wobbly": 21},
    "effects": [
        {"name": "Call the owner", "on": "enter", "stages": ["Wobbly"], "kind": "alert", "to": ["owner"]},
    ],
}


def utc_now() -> dt.datetime:
    """The time of the test."""
    return dt.datetime.now(dt.UTC)


def look_at(slug: str) -> dict[str, str]:
    """What the session of a super admin holds who has chosen the tenant of this slug."""
    return Impersonation(slug, utc_now() + dt.timedelta(hours=1)).to_session()


@cache
def _faker() -> Faker:
    return Faker()


def make_up(kind: str) -> str:
    """A ``name`` of a person or of a ``company``, each time another one within a file: by it tests tell which of two is
    shown.
    """
    return str(getattr(_faker().unique, kind)())


def forget_names() -> None:
    """Who is made up from here on may be called as one who was made up before."""
    _faker().unique.clear()


class TenantFactory(factory.Factory):
    """A tenant with its role groups and a published configuration (``configuration=None``: none yet)."""

    class Meta:
        model = TenantRef

    name = factory.Sequence(lambda number: f"Company {number}")
    slug = factory.LazyFunction(lambda: f"t-{uuid7().hex[-16:]}")
    configuration = MINIMAL

    @classmethod
    def _create(cls, model_class: type, *args: Any, name: str, slug: str, configuration: Any, **_: Any) -> TenantRef:
        kind = json.dumps(configuration)
        if kind in _originals:
            return _originals[kind].copy(slug=slug, name=name, now=utc_now())
        tenant = make_tenant(name=name, slug=slug, configuration=configuration)
        _originals[kind] = keep(tenant)
        return tenant


def make_tenant(*, name: str, slug: str, configuration: Any) -> TenantRef:
    """What TenantFactory gives, by the services."""
    now = utc_now()
    tenant = create_tenant(slug=slug, name=name, actor=ADMIN_ACTOR, now=now)
    if configuration is not None:
        with tenant_context(tenant.id):
            publish_configuration(configuration, tenant=tenant, actor=ADMIN_ACTOR, now=now)
    return tenant


# The first tenant of each configuration in this process.
_originals: dict[str, Original] = {}


class UserFactory(factory.Factory):
    """A person (or service account) of ``tenant`` in ``role``, with the password PASSWORD."""

    class Meta:
        model = User

    tenant: Any = None
    role = Role.ACCOUNT_MANAGER
    username = factory.LazyAttribute(lambda user: f"{Role(user.role).value}-{uuid7().hex[-12:]}@tenant.example")
    full_name = factory.LazyFunction(lambda: make_up("name"))
    password = PASSWORD

    @classmethod
    def _create(cls, model_class: type, *args: Any, now: Any = None, **fields: Any) -> User:
        return create_user(now=now or utc_now(), **fields)

    @classmethod
    def _build(cls, model_class: type, *args: Any, now: Any = None, **fields: Any) -> User:
        return build_user(now=now or utc_now(), **fields)


class CustomerFactory(factory.django.DjangoModelFactory):
    """A customer of ``tenant`` that stands in ``stage`` (the configuration's initial one unless said otherwise).

    ``stage=None`` leaves it unplaced. The row is committed, its first history row with it.
    """

    class Meta:
        model = Customer

    tenant: Any = None
    external_id = factory.Sequence(lambda number: f"crm-{number:06d}")
    name = factory.LazyFunction(lambda: make_up("company"))
    industry = "Manufacturing"
    segment = "Mid-Market"
    owner = ""
    source = "/crm"
    stage = "Prospect"
    reason_code: Any = None

    @classmethod
    def _create(
        cls, model_class: type, *args: Any, tenant: TenantRef, stage: Any, reason_code: Any, **fields: Any
    ) -> Any:
        now = utc_now()
        keys = {"name_key": sort_key(fields["name"]), "owner_key": fold_text(fields["owner"])}
        with tenant_context(tenant.id):
            customer = Customer.objects.create(
                **keys, tenant_id=tenant.id, occurred_at=now, created_at=now, updated_at=now, **fields
            )
            if stage is not None:
                place_customer(customer, stage, tenant=tenant, now=now, reason_code=reason_code)
        return customer


def place_customer(
    customer: Customer, stage: str, *, tenant: TenantRef, now: dt.datetime, reason_code: str | None = None
) -> None:
    """Give a customer its first stage, as the system does when CRM reports it."""
    change = Change(customer_id=customer.id, stage=stage, reason_code=reason_code)
    (outcome,) = place(Call(tenant, ADMIN_ACTOR, "Import", now), [change])
    assert outcome.refused is None, outcome.refused


def make_issuer(tenant: TenantRef) -> TokenIssuer:
    """An identity provider that the tenant accepts; call inside its context. Its keys are nowhere to be had."""
    return TokenIssuer.objects.create(
        tenant_id=tenant.id,
        issuer=f"https://sso.{tenant.slug}.example",
        audience="customer360",
        jwks_url=f"https://sso.{tenant.slug}.example/keys",
        algorithms=["RS256"],
        role_map={"user": "ROLE_CUSTOMER_VIEWER"},
        created_at=utc_now(),
    )
