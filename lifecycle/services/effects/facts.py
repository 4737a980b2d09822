"""What an effect says and to whom, looked up when it is delivered: nothing of a customer that was erased since."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from lifecycle.models import Contact
from lifecycle.services.effects.queue import Job
from storage.cursors import fetch_prepared, plain_array
from tenants.models import User
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.errors import InvalidConfiguration
from tenants.rules.effect_texts import render
from tenants.services.configuration.policies import policy_of_version

ERASED = "erased"
CHANGED = "configuration_lost"
NO_ADDRESS = "no_address"
INACTIVE = "inactive_user"
SANDBOX = "sandbox"


_FACTS: Final = """
SELECT c.id, c.name, c.external_id, c.segment, c.industry, COALESCE(NULLIF(u.full_name, ''), c.owner), t.name,
       t.is_sandbox
  FROM unnest(%(customer_ids)s::uuid[]) AS i(id)
  JOIN lifecycle_customer c ON c.tenant_id = %(tenant_id)s::uuid AND c.id = i.id
  JOIN tenants_tenant t ON t.id = c.tenant_id
  LEFT JOIN tenants_user u ON u.tenant_id = c.tenant_id AND u.username = c.owner_key AND c.owner_key <> ''
 WHERE c.erased_at IS NULL
"""


class NothingToDeliver(Exception):
    """The effect cannot be delivered any more; the argument is the reason, as the row keeps it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a message about one transition can say."""

    job: Job
    effect: Effect
    values: Mapping[str, str]
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail to one recipient, rendered."""

    to_name: str
    to_address: str
    subject: str
    body: str


def gather_facts(job: Job) -> Facts:
    """What the job's messages can say. Call in the tenant's context. Raises NothingToDeliver. One statement."""
    found = gather_all([job])[job.id]
    if isinstance(found, NothingToDeliver):
        raise found
    return found


def gather_all(jobs: Sequence[Job]) -> dict[UUID, "Facts | NothingToDeliver"]:
    """What the messages of some jobs of one tenant can say, by job. Call in its context. One statement."""
    customers = read_customers(jobs[0].tenant.id, {job.customer_id for job in jobs})
    return {job.id: _state(job, customers.get(job.customer_id)) for job in jobs}


def read_customers(tenant_id: UUID, customer_ids: Collection[UUID]) -> dict[UUID, Sequence[Any]]:
    """What messages say of customers, for ``make_values``; those that were erased are left out. One statement."""
    given = {"tenant_id": tenant_id, "customer_ids": plain_array(customer_ids)}
    return {UUID(str(id_)): rest for id_, *rest in fetch_prepared(_FACTS, given, using="default")}


def make_values(
    customer_id: UUID,
    customer: Sequence[Any],
    *,
    from_stage: str | None,
    to_stage: str,
    reason: str,
    changed_at: dt.datetime,
) -> dict[str, str]:
    """The fields of a text about one transition."""
    name, external_id, segment, industry, owner, tenant_name, _ = customer
    return {
        "customer.name": name,
        "customer.external_id": external_id,
        "customer.segment": segment,
        "customer.industry": industry,
        "customer.owner": owner,
        "stage": to_stage,
        "from_stage": from_stage or "",
        "reason": reason,
        "changed_on": f"{changed_at:%Y-%m-%d}",
        "tenant.name": tenant_name,
        "link": f"{settings.SITE_URL}{reverse('customer-page', args=[customer_id])}",
    }


def _state(job: Job, customer: "Sequence[Any] | None") -> "Facts | NothingToDeliver":
    if customer is None:
        return NothingToDeliver(ERASED)
    try:
        effect = find_effect(job)
    except NothingToDeliver as nothing:
        return nothing
    values = make_values(
        job.customer_id,
        customer,
        from_stage=job.from_stage,
        to_stage=job.to_stage,
        reason=job.reason_code,
        changed_at=job.changed_at,
    )
    return Facts(job, effect, values, is_sandbox=customer[-1])


def keep_within(facts: Facts) -> None:
    """Of a sandbox no effect leaves but mail to its own people, and webhooks to the endpoints that they have set up.

    Raises NothingToDeliver for what would. This is the last step before it leaves: until then it waits, is held and
    can be cancelled as anywhere else.
    """
    kind, _, _ = facts.job.recipient.partition(":")
    if facts.is_sandbox and facts.job.kind != "webhook" and kind != "user":
        raise NothingToDeliver(SANDBOX)


def find_effect(job: Job) -> Effect:
    """The effect as the configuration that judged the move says it. Raises NothingToDeliver."""
    try:
        effect = policy_of_version(job.tenant.id, job.configuration_version).effect(job.effect)
    except InvalidConfiguration as error:
        # Published under older rules than today's.
        raise NothingToDeliver(CHANGED) from error
    if effect is None:
        raise NothingToDeliver(CHANGED)
    return effect


def render_mail(facts: Facts) -> Mail:
    """The e-mail of a job. Call in the tenant's context. Raises NothingToDeliver. One statement at most."""
    keep_within(facts)
    name, address = _find_recipient(facts.job)
    text = render(facts.effect, {**facts.values, "recipient.name": name})
    return Mail(name, address, text.subject, text.body)


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
