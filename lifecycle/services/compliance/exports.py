"""Handing out everything that is kept about a customer [SEC-7]."""

import base64
import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.models import AdministrationEntry, FormerName, LifecycleHistory, RefusedAttempt
from audit.services.administration import record_administration
from audit.services.message_encryption import decrypt_message
from lifecycle.models import (
    NO_TENANT,
    BillingFigures,
    BulkChangeItem,
    Customer,
    CustomerForecast,
    CustomerLifecycleStatus,
    DeadLetter,
    EffectRun,
    FigureChange,
    InsightState,
    Notification,
    ParkedEvent,
    RiskEpisode,
    RiskState,
    Stay,
    SupportFigures,
)
from lifecycle.rules.envelopes import Headers
from lifecycle.rules.subjects import names_person
from lifecycle.services.compliance.erasure import ErasureRefused, check_reason, find_subject
from lifecycle.services.customers.profiles import open_contacts
from lifecycle.services.events import filing
from lifecycle.services.events.filing import Found, Owner, Subject
from lifecycle.services.events.inbox import decode_headers
from lifecycle.services.home.snoozing import list_snoozes
from lifecycle.services.imports.uploads import list_uploads
from lifecycle.services.risk.proposals import export_firings
from lifecycle.services.transitions import idempotency
from lifecycle.services.transitions.history import open_notes
from lifecycle.services.work.personal_data import export_work
from storage import cipher
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.context import no_tenant_context
from tenants.services.directory import list_slugs

Json = dict[str, Any]


def export_customer(
    external_id: str,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    reason: str = "",
    request_id: UUID | None = None,
) -> Json:
    """Everything that is kept about the customer, personal data in clear, ready to be JSON; the export is recorded.

    Call inside the tenant's context. Personal values that were erased are None. Of a customer that no one has created
    it is the messages that wait for it. A message of no tenant that is known is handed out only if it names one of the
    customer's own people: it may be about somebody else's customer. ``withheld_messages`` counts the others. Raises
    ErasureRefused for somebody of whom nothing is known, and while a master key is missing.
    """
    reason = check_reason(reason, required=False)
    allow_seconds(JOB_SECONDS)
    subject = find_subject(external_id, tenant)
    try:
        exported = {"exported_at": now, "tenant": tenant.slug, **_describe(subject)}
    except cipher.MasterKeyMissing as error:
        raise ErasureRefused(
            "unavailable",
            _("The personal data are under a master key that is not in MASTER_KEYS. Nothing was exported: restore it."),
        ) from error
    if subject.customer_id is None and not (exported["dead_letters"] or exported["parked_events"]):
        sentence = _("Tenant %(tenant)s has no customer “%(id)s”.")
        raise ErasureRefused("not_found", sentence % {"tenant": tenant.slug, "id": external_id})
    record_administration(
        "export_customer",
        subject.customer_id or cipher.customer_index(tenant.id, subject.external_id).hex(),
        tenant_id=tenant.id,
        actor=actor,
        reason=reason,
        request_id=request_id,
        now=now,
    )
    return exported


def _describe(subject: Subject) -> Json:
    found = filing.find_dead_letters(subject)
    dead_letters = _list_dead_letters(found, subject)
    return {
        **_describe_customer(subject),
        "dead_letters": dead_letters,
        "parked_events": list(_list_parked(subject)),
        "uploads": [
            {"id": one.id, "name": one.name, "created_at": one.created_at} for one in list_uploads(subject.tenant)
        ],
        "withheld_messages": found.count - len(dead_letters),
    }


def _describe_customer(subject: Subject) -> Json:
    tenant, customer_id = subject.tenant, subject.customer_id
    of_customer = {"tenant_id": tenant.id, "customer_id": customer_id}
    history = list(LifecycleHistory.objects.filter(**of_customer).order_by("sequence"))
    notes = open_notes(history, tenant)
    entries = AdministrationEntry.objects.filter(tenant_id=tenant.id, subject=str(customer_id)).order_by("id")
    attempts = RefusedAttempt.objects.filter(**of_customer).order_by("id")
    return {
        "company": _row(Customer, id=customer_id, tenant_id=tenant.id),
        "former_names": [] if customer_id is None else _list_former_names(tenant.id, customer_id),
        # Each with its own id, of the same look: the CRM may report other people at any moment.
        "contacts": [] if customer_id is None else open_contacts(tenant, customer_id),
        "billing": _row(BillingFigures, **of_customer),
        "support": _row(SupportFigures, **of_customer),
        "lifecycle": _row(CustomerLifecycleStatus, **of_customer),
        "figures_past": list(FigureChange.objects.filter(**of_customer).order_by("id").values()),
        "forecast": _row(CustomerForecast, **of_customer),
        **_describe_derived(of_customer),
        "history": [
            {
                **_columns(row),
                "note": notes.get(row.id),
                "note_erased": row.note is not None and notes.get(row.id) is None,
            }
            for row in history
        ],
        # There are some that concern no customer at all.
        "refused_attempts": [] if customer_id is None else list(attempts.values()),
        **(
            {"notes": [], "tasks": []}
            if customer_id is None
            else export_work(customer_id, tenant=tenant, today=timezone.now().date())
        ),
        "bulk_changes": _rows(BulkChangeItem, "change_id", **of_customer),
        "effects": list(EffectRun.objects.filter(**of_customer).order_by("id").values()),
        "notifications": list(Notification.objects.filter(**of_customer).order_by("id").values()),
        "rule_firings": [] if customer_id is None else export_firings(customer_id, tenant=tenant),
        "snoozes": [] if customer_id is None else list_snoozes(customer_id, tenant=tenant),
        "administration": [] if customer_id is None else list(entries.values()),
        "stored_answers": [] if customer_id is None else list(_list_answers(subject, customer_id)),
    }


def _describe_derived(of_customer: Json) -> Json:
    """What is made of the history and the figures, and how far it was made."""
    return {
        "stays": _rows(Stay, "sequence", "piece", **of_customer),
        "risk_episodes": _rows(RiskEpisode, "sequence", **of_customer),
        "insight_state": _row(InsightState, **of_customer),
        "risk_state": _row(RiskState, **of_customer),
    }


def _list_former_names(tenant_id: UUID, customer_id: UUID) -> list[Json]:
    rows = FormerName.objects.filter(tenant_id=tenant_id, subject_id=customer_id)
    return [dict(row) for row in rows.order_by("until", "id").values("name", "until")]


def _list_dead_letters(found: Found, subject: Subject) -> list[Json]:
    dead_letters = [
        _describe_dead_letter(*opened) for opened in filing.open_dead_letters(subject.tenant.id, found.owned)
    ]
    if found.unowned:
        slugs = list_slugs()
        with no_tenant_context():
            dead_letters += [
                _describe_dead_letter(dead_letter, message)
                for dead_letter, message in filing.open_dead_letters(NO_TENANT, found.unowned)
                if filing.judge_owner(dead_letter.tenant_slug, subject.tenant, slugs) is Owner.OWN
                or (message is not None and names_person(message, subject.people))
            ]
    return dead_letters


def _describe_dead_letter(dead_letter: DeadLetter, message: Any) -> Json:
    described = _columns(dead_letter)
    del described["subjects"]
    return {
        **described,
        "key": _describe_bytes(dead_letter.key),
        "value": None if message is None else _describe_bytes(message.value),
        "headers": _describe_headers(decode_headers(dead_letter.headers)),
        "is_readable": message is not None,
    }


def _list_parked(subject: Subject) -> Iterator[Json]:
    parked = ParkedEvent.objects.filter(tenant_id=subject.tenant.id, external_id=subject.external_id)
    for event in parked.order_by("id"):
        try:
            value: Any = _describe_bytes(decrypt_message(event.value, tenant_id=event.tenant_id, row_id=event.id))
        except cipher.Undecryptable:
            value = None
        yield {
            **_columns(event),
            "key": _describe_bytes(event.key),
            "value": value,
            "headers": _describe_headers(decode_headers(event.headers)),
            "is_readable": value is not None,
        }


def _list_answers(subject: Subject, customer_id: UUID) -> Iterator[Json]:
    """The answers kept for repeated requests; of those about many customers the part about this one."""
    for kept, answer in idempotency.find_answers(subject.tenant.id, customer_id, mentions=subject.is_named_in):
        # That of a form leads to another page, and says nothing besides.
        body = orjson.loads(answer.body) if answer is not None and answer.body else None
        if isinstance(body, dict) and isinstance(body.get("results"), list):
            body["results"] = [one for one in body["results"] if one.get("customer_id") == str(customer_id)]
        yield {
            "idempotency_key": kept.key,
            "principal": kept.principal,
            "created_at": kept.created_at,
            "status": kept.status,
            "headers": kept.headers,
            "body": body,
            "is_readable": answer is not None,
        }


def _row(model: Any, **wanted: Any) -> Json | None:
    row = model.objects.filter(**wanted).first()
    return None if row is None else _columns(row)


def _rows(model: Any, *order: str, **wanted: Any) -> list[Json]:
    return [_columns(row) for row in model.objects.filter(**wanted).order_by(*order)]


def _columns(row: Any) -> Json:
    """The columns of a row; binary values in hex, so that it can be JSON."""
    values = ((field.attname, getattr(row, field.attname)) for field in row._meta.concrete_fields)
    return {name: bytes(value).hex() if isinstance(value, bytes | memoryview) else value for name, value in values}


def _describe_headers(headers: Headers) -> list[list[Any]]:
    return [[name, _describe_bytes(value)] for name, value in headers]


def _describe_bytes(value: bytes | memoryview | None) -> str | Json | None:
    """Bytes as the text they are, or, if they are none, in base64."""
    if value is None:
        return None
    try:
        return bytes(value).decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(bytes(value)).decode()}
