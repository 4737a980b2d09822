"""What an effect says and to whom, looked up when it is delivered: nothing of a customer that was erased since."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from lifecycle.models import Contact, Customer
from lifecycle.rules.effect_texts import DEFAULT_BODY, DEFAULT_SUBJECT, fill_in, fill_in_line
from lifecycle.services.effects.queue import Job
from tenants.models import Tenant, User
from tenants.rules.configuration.definitions import Effect
from tenants.services.configuration.policies import policy_of_version

ERASED = "erased"
CHANGED = "configuration_lost"
NO_ADDRESS = "no_address"
INACTIVE = "inactive_user"


class NothingToDeliver(Exception):
    """The effect cannot be delivered any more; the argument is the reason, as the row keeps it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a message about one transition can say."""

    job: Job
    effect: Effect
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail to one recipient, rendered."""

    to_name: str
    to_address: str
    subject: str
    body: str


def gather_facts(job: Job) -> Facts:
    """What the job's messages can say. Call in the tenant's context. Raises NothingToDeliver. Two statements."""
    effect = find_effect(job)
    customer = (
        Customer.objects.filter(tenant_id=job.tenant.id, id=job.customer_id, erased_at=None)
        .select_related(None)
        .first()
    )
    if customer is None:
        raise NothingToDeliver(ERASED)
    owner = customer.owner
    if owner:
        named = User.objects.filter(tenant_id=job.tenant.id, username=customer.owner_key).values_list(
            "full_name", flat=True
        )
        owner = named.first() or owner
    tenant_name = Tenant.objects.filter(id=job.tenant.id).values_list("name", flat=True).first() or ""
    return Facts(
        job,
        effect,
        {
            "customer.name": customer.name,
            "customer.external_id": customer.external_id,
            "customer.segment": customer.segment,
            "customer.industry": customer.industry,
            "customer.owner": owner,
            "stage": job.to_stage,
            "from_stage": job.from_stage or "",
            "reason": job.reason_code,
            "changed_on": f"{job.changed_at:%Y-%m-%d}",
            "tenant.name": tenant_name,
            "link": f"{settings.SITE_URL}{reverse('customer-page', args=[job.customer_id])}",
        },
    )


def find_effect(job: Job) -> Effect:
    """The effect as the configuration that judged the move says it. Raises NothingToDeliver."""
    policy = policy_of_version(job.tenant.id, job.configuration_version)
    for effect in policy.effects_of(job.from_stage, job.to_stage):
        if effect.name == job.effect:
            return effect
    raise NothingToDeliver(CHANGED)


def render_mail(facts: Facts) -> Mail:
    """The e-mail of a job. Call in the tenant's context. Raises NothingToDeliver. One statement at most."""
    name, address = _find_recipient(facts.job)
    values = {**facts.values, "recipient.name": name}
    return Mail(name, address, fill_in_line(DEFAULT_SUBJECT, values)[:255], fill_in(DEFAULT_BODY, values))


def find_user(job: Job) -> User:
    """The person whom the job is for, with the rights that they have now. Raises NothingToDeliver."""
    user = User.objects.filter(tenant_id=job.tenant.id, id=_id_of(job), is_active=True).first()
    if user is None:
        raise NothingToDeliver(INACTIVE)
    return user


def _find_recipient(job: Job) -> tuple[str, str]:
    kind, _, _ = job.recipient.partition(":")
    if kind == "user":
        user = find_user(job)
        if not user.email:
            raise NothingToDeliver(NO_ADDRESS)
        return user.full_name, user.email
    if kind == "contact":
        contact = Contact.objects.filter(tenant_id=job.tenant.id, id=_id_of(job)).first()
        if contact is None or not contact.email:
            raise NothingToDeliver(NO_ADDRESS)
        return contact.name, contact.email
    return "", job.recipient


def _id_of(job: Job) -> UUID:
    return UUID(job.recipient.partition(":")[2])
