"""Erasing the personal data of a customer [SEC-7].

What names people lies under the customer's data key; destroying that one small row makes it unreadable everywhere, in
backups taken later too, while the history keeps its rows and every hash still verifies. Rows that may go, go; messages
that wait somewhere are found by what they are filed under (``services.filing``).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, Exists, OuterRef, Value, When
from django.utils.translation import gettext as _

from audit.models import OutboxMessage, RefusedAttempt
from audit.services.administration import record_administration
from audit.services.former_names import forget_names
from audit.services.keys import destroy_key
from lifecycle.models import NO_TENANT, Contact, Customer, DeadLetter, FigureChange, ParkedEvent
from lifecycle.rules.fields import COMPANY, fields_of
from lifecycle.rules.precedence import FOR_GOOD
from lifecycle.services.cache import copies
from lifecycle.services.customers.profiles import find_name, open_contacts
from lifecycle.services.effects.forgetting import erase_effects
from lifecycle.services.events import filing
from lifecycle.services.events.dead_letters import ERASED_REASON, WITHOUT_CONTENT
from lifecycle.services.events.filing import Found, Subject
from lifecycle.services.home.snoozing import erase_snoozes
from lifecycle.services.imports.uploads import destroy_uploads
from lifecycle.services.insight.episodes import loosen_episodes
from lifecycle.services.insight.forecasts import erase_forecast
from lifecycle.services.insight.keeping import renew_stays
from lifecycle.services.insight.turns import take_turn
from lifecycle.services.risk.proposals import erase_firings
from lifecycle.services.transitions import idempotency
from lifecycle.services.work.personal_data import erase_work
from storage import cipher
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.context import no_tenant_context
from tenants.models import Stage
from tenants.rules.values import InvalidValue, sort_key
from tenants.sentences import describe_value

ERASED_NAME: Final = "Erased customer"
LONGEST_REASON: Final = 500
# What names the company.
NAMING: Final = tuple(field for field in fields_of(COMPANY) if field.names_company)


class ErasureRefused(Exception):
    """The customer cannot be erased or exported as asked; the sentence says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure destroyed: contacts (and notes and tasks), the contents of messages and kept answers, files that
    were being imported, and the data key if there was one.

    ``customer_id`` is None for somebody who was only known from messages; ``unreadable`` messages could not be looked
    into, for want of their master key.
    """

    customer_id: UUID | None
    erased_at: dt.datetime
    contacts: int
    messages: int
    answers: int
    uploads: int
    key_destroyed: bool
    company: bool
    unreadable: int


def erase_customer(
    external_id: str,
    *,
    tenant: TenantRef,
    actor: Actor,
    reason: str,
    now: dt.datetime,
    company: bool = False,
    request_id: UUID | None = None,
) -> Erased:
    """Erase what is known of people at the customer; with ``company`` the company's name as well, and its website.

    Call inside the tenant's context, in one transaction. Repeating it erases what has come since. Contacts that a
    source reports later are ignored (``services.customers``), and so is the name of an erased company; messages that
    cannot be applied are not kept any more (``services.dead_letters``). A customer that no one has created is erased
    from the messages that wait for it. Raises ErasureRefused without a reason or for somebody of whom nothing is known.
    """
    reason = check_reason(reason)
    allow_seconds(JOB_SECONDS)
    subject = find_subject(external_id, tenant)
    # In the order of who empties a sandbox: the turn at its stays, what waits to be worked off, the customer.
    take_turn(tenant)
    found = filing.find_dead_letters(subject, lock=True)
    _lock_parked(subject)
    customer = _lock_customer(subject)
    if customer is not None:
        # Those that came until the customer was locked; later ones are not kept.
        found = _join(found, filing.find_dead_letters(subject, filed_only=True))
    messages = _blank_dead_letters(found, subject, actor=actor, now=now) + _delete_parked(subject)
    if customer is None and not messages:
        sentence = _("Tenant %(tenant)s has no customer “%(id)s”.")
        raise ErasureRefused("not_found", sentence % {"tenant": tenant.slug, "id": external_id})
    contacts = answers = 0
    key_destroyed = False
    if customer is not None:
        key_destroyed = destroy_key(tenant.id, customer.id)
        contacts, _by_model = Contact.objects.filter(tenant_id=tenant.id, customer_id=customer.id).delete()
        answers = idempotency.blank_answers(tenant.id, customer.id, mentions=subject.is_named_in)
        erase_effects(tenant.id, customer.id, now=now)
        erase_work(tenant.id, customer.id)
        erase_snoozes(tenant.id, customer.id)
        erase_firings(tenant.id, customer.id)
        _blank_attempts(customer)
        FigureChange.objects.filter(tenant_id=tenant.id, customer_id=customer.id).delete()
        _mark_erased(customer, company=company, now=now)
        erase_forecast(tenant.id, customer.id)
        # They keep the past of the revenue.
        renew_stays([customer.id], tenant=tenant)
        # And they what notes, tasks and figures said.
        loosen_episodes([customer.id], tenant=tenant)
    # Any of them may name the person, under whatever id; the day that they are kept is too long.
    uploads = destroy_uploads(tenant)
    erased = Erased(
        customer_id=None if customer is None else customer.id,
        erased_at=now,
        contacts=contacts,
        messages=messages,
        answers=answers,
        uploads=uploads,
        key_destroyed=key_destroyed,
        company=company and customer is not None,
        unreadable=found.unreadable,
    )
    _record(erased, subject, actor=actor, reason=reason, now=now, request_id=request_id)
    return erased


def check_reason(reason: str, *, required: bool = True) -> str:
    """The reason as it is kept. Raises ErasureRefused."""
    reason = reason.replace("\x00", "").strip()
    if (required and not reason) or len(reason) > LONGEST_REASON:
        sentence = _("Enter a reason, in at most %(most)s characters.")
        raise ErasureRefused("reason_required", sentence % {"most": LONGEST_REASON})
    return reason


def find_external_id(customer_id: UUID, tenant: TenantRef) -> str | None:
    """The external id of a customer of the tenant, None if there is no such customer."""
    rows = Customer.objects.filter(tenant_id=tenant.id, id=customer_id)
    external_id: str | None = rows.values_list("external_id", flat=True).first()
    return external_id


def find_subject(external_id: str, tenant: TenantRef) -> Subject:
    """The customer of an external id as messages may name it, whether there is one or not. Raises ErasureRefused."""
    try:
        name = find_name(external_id, tenant=tenant)
    except InvalidValue as error:
        sentence = _("The external id %(error)s.")
        raise ErasureRefused("not_found", sentence % {"error": describe_value(error)}) from error
    customer_id = Customer.objects.filter(tenant_id=tenant.id, external_id=name).values_list("id", flat=True).first()
    if customer_id is None:
        return Subject(tenant, name)
    return Subject(tenant, name, customer_id, tuple(_list_people(tenant, customer_id)))


def _list_people(tenant: TenantRef, customer_id: UUID) -> Sequence[str]:
    """What names its contacts beyond doubt: addresses, telephone numbers, names of more than one word."""
    try:
        contacts = open_contacts(tenant, customer_id)
    except cipher.Undecryptable:
        return ()
    reported = [contact[part] for contact in contacts for part in ("email", "phone") if contact[part]]
    names = [contact["name"] for contact in contacts if contact["name"]]
    return [*(one for one in reported if len(one) >= 6), *(name for name in names if len(name.split()) > 1)]


def _lock_parked(subject: Subject) -> None:
    parked = ParkedEvent.objects.filter(tenant_id=subject.tenant.id, external_id=subject.external_id)
    list(parked.order_by("id").select_for_update().values_list("id", flat=True))


def _lock_customer(subject: Subject) -> Customer | None:
    """Events about the customer, and dead letters about it that are being written, take turns with its erasure."""
    customer: Customer | None = (
        Customer.objects.select_for_update()
        .filter(tenant_id=subject.tenant.id, external_id=subject.external_id)
        .first()
    )
    return customer


def _join(first: Found, second: Found) -> Found:
    return Found(sorted({*first.owned, *second.owned}), sorted({*first.unowned, *second.unowned}), first.unreadable)


def _blank_dead_letters(found: Found, subject: Subject, *, actor: Actor, now: dt.datetime) -> int:
    """Destroy the bytes of dead messages about the customer, and withdraw their copies from the outbox."""
    count = _blank(subject.tenant.id, found.owned, subject, actor=actor, now=now)
    if found.unowned:
        with no_tenant_context():
            count += _blank(NO_TENANT, found.unowned, subject, actor=actor, now=now)
    return count


def _blank(tenant_id: UUID, ids: Sequence[UUID], subject: Subject, *, actor: Actor, now: dt.datetime) -> int:
    OutboxMessage.objects.filter(tenant_id=tenant_id, dead_letter_id__in=ids).delete()
    dead_letters = DeadLetter.objects.filter(tenant_id=tenant_id, id__in=ids)
    count = dead_letters.filter(value__isnull=False).update(value=None)
    dead_letters.filter(state=DeadLetter.State.OPEN).update(
        state=DeadLetter.State.DISCARDED, resolved_at=now, resolved_by=actor.name, reason=ERASED_REASON
    )
    dead_letters.update(headers=[], **WITHOUT_CONTENT)
    # A key that is the customer's own id says no more than the customer does.
    dead_letters.exclude(key=subject.external_id.encode()).update(key=None)
    if tenant_id == NO_TENANT:
        dead_letters.update(tenant_slug="")
    return count


def _delete_parked(subject: Subject) -> int:
    parked = ParkedEvent.objects.filter(tenant_id=subject.tenant.id, external_id=subject.external_id)
    return parked.delete()[0]


def _blank_attempts(customer: Customer) -> None:
    """Take out of refused attempts what somebody typed; who tried, when, and which rule said no is kept."""
    is_stage = Exists(Stage.objects.filter(tenant_id=customer.tenant_id, name=OuterRef("to_stage")))
    RefusedAttempt.objects.filter(tenant_id=customer.tenant_id, customer_id=customer.id).update(
        detail="", to_stage=Case(When(is_stage, then="to_stage"), default=Value(""))
    )


def _mark_erased(customer: Customer, *, company: bool, now: dt.datetime) -> None:
    if company:
        customer.name, customer.name_key = ERASED_NAME, sort_key(ERASED_NAME)
        for field in NAMING:
            if not field.is_required:
                setattr(customer, field.name, "")
            customer.field_times[field.name] = FOR_GOOD
            for kept in (customer.overruled, customer.pins):
                kept.pop(field.name, None)
    # Why somebody pinned a field may name a person; that it is pinned stays.
    for pin in customer.pins.values():
        pin["reason"] = ""
    customer.overruled.pop("contacts", None)
    customer.erased_at = customer.updated_at = now
    customer.version += 1
    names = [field.name for field in NAMING]
    kept_columns = ["field_times", "overruled", "pins", "erased_at", "updated_at", "version"]
    customer.save(update_fields=[*names, "name_key", *kept_columns])
    if company:
        # Also the one that was erased just now.
        forget_names(customer.id, tenant_id=customer.tenant_id)
    copies.forget_profiles(customer.tenant_id, [customer.id])


def _record(
    erased: Erased, subject: Subject, *, actor: Actor, reason: str, now: dt.datetime, request_id: UUID | None
) -> None:
    counts = ("contacts", "messages", "answers", "uploads", "key_destroyed", "company", "unreadable")
    detail: dict[str, Any] = {name: getattr(erased, name) for name in counts}
    record_administration(
        "erase_customer",
        # Of somebody who was only known from messages not even the id is kept.
        erased.customer_id or cipher.customer_index(subject.tenant.id, subject.external_id).hex(),
        tenant_id=subject.tenant.id,
        actor=actor,
        reason=reason,
        detail=detail,
        request_id=request_id,
        now=now,
    )
