"""What recipients of effects are called, as those see them who may not see contact details, and as others do."""

import datetime as dt
from collections.abc import Collection, Mapping
from contextlib import suppress
from uuid import UUID

from audit.services.former_names import find_names_then
from audit.services.keys import load_keys
from lifecycle.models import Contact, WebhookEndpoint
from storage import cipher
from tenants.models import User
from tenants.rules.configuration.effect_kinds import CONTACTS_PREFIX, USER_PREFIX


def mask_recipient(recipient: str) -> str:
    """``b***@acme.example`` for an address; references stay as they are, also those to user names, which may be one."""
    if recipient.startswith((USER_PREFIX, CONTACTS_PREFIX)):
        return recipient
    name, at, host = recipient.rpartition("@")
    return f"{name[:1]}***@{host}" if at else recipient


def name_recipients(recipients: Collection[str], *, tenant_id: UUID, sees_contacts: bool) -> dict[str, str]:
    """What those are called that are more than a reference.

    An address that the configuration names is in clear for who ``sees_contacts``, else masked. Those of customers'
    contacts are masked for everybody: showing one is recorded, and nothing is here. Call in the tenant's context. Four
    statements at most, whatever the number of recipients.
    """
    by_kind: dict[str, list[UUID]] = {"user": [], "contact": [], "endpoint": []}
    names: dict[str, str] = {}
    for recipient in set(recipients):
        kind, _, id_ = recipient.partition(":")
        if kind in by_kind:
            # A name of the configuration that leads to no one, such as user:ann, stays as it is.
            with suppress(ValueError):
                by_kind[kind].append(UUID(id_))
        elif "@" in recipient:
            names[recipient] = recipient if sees_contacts else mask_recipient(recipient)
    if by_kind["user"]:
        users = User.objects.filter(tenant_id=tenant_id, id__in=by_kind["user"])
        for user_id, full_name, username in users.values_list("id", "full_name", "username"):
            names[f"user:{user_id}"] = full_name or username
    if by_kind["contact"]:
        names |= _name_contacts(by_kind["contact"], tenant_id)
    if by_kind["endpoint"]:
        endpoints = WebhookEndpoint.objects.filter(tenant_id=tenant_id, id__in=by_kind["endpoint"])
        names |= {f"endpoint:{id_}": name for id_, name in endpoints.values_list("id", "name")}
    return names


def name_recipients_then(
    asked: Collection[tuple[str, dt.datetime]], *, tenant_id: UUID
) -> Mapping[tuple[str, dt.datetime], str]:
    """What recipients were called when something was started for them, by recipient and time; addresses are masked.

    Call in the tenant's context. Five statements at most, whatever the number of recipients.
    """
    today = name_recipients({recipient for recipient, _ in asked}, tenant_id=tenant_id, sees_contacts=False)
    users = {one: user_id for one in asked if (user_id := user_of(one[0])) is not None}
    former = find_names_then({(user_id, at) for (_, at), user_id in users.items()}, tenant_id=tenant_id)
    names = {(recipient, at): today.get(recipient) or mask_recipient(recipient) for recipient, at in asked}
    return names | {one: former[user_id, one[1]] for one, user_id in users.items() if (user_id, one[1]) in former}


def user_of(recipient: str) -> UUID | None:
    """The user that a reference leads to; None for any other recipient."""
    kind, _, id_ = recipient.partition(":")
    if kind == "user":
        with suppress(ValueError):
            return UUID(id_)
    return None


def _name_contacts(ids: Collection[UUID], tenant_id: UUID) -> dict[str, str]:
    contacts = list(Contact.objects.filter(tenant_id=tenant_id, id__in=ids))
    keys = load_keys(tenant_id, {contact.customer_id for contact in contacts}) if contacts else {}
    names: dict[str, str] = {}
    for contact in contacts:
        if (key := keys.get(contact.customer_id)) is None:
            continue
        contact.use_data_key(key)
        # Written under a key that was destroyed since, it names no one any more.
        with suppress(cipher.Undecryptable):
            shown = mask_recipient(contact.email or "")
            names[f"contact:{contact.id}"] = f"{contact.name} <{shown}>" if shown else contact.name
    return names
