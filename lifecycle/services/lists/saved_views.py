"""Views that people save: kept, shared with the team, locked, and opened by those who may.

Every change is recorded in the tenant's administration log, in its transaction. A view keeps filters, columns and
order; no search, as the names and addresses that people search for are personal data.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit.services.administration import record_administration
from lifecycle.models import SavedView
from tenants.actors import Actor, TenantRef
from tenants.roles import CONFIGURE_STAGES
from tenants.rules.values import InvalidValue, read_line, sort_key
from tenants.sentences import describe_value

LONGEST_NAME: Final = 80
LONGEST_QUERY: Final = 4000
# Views a person may own.
MOST_VIEWS: Final = 100
NOT_KEPT: Final = frozenset({"search", "cursor", "edit", "view"})
ONLY_ADMINS_LOCK: Final = gettext_noop("Only tenant admins lock views. Nothing was saved.")


class ViewRefused(Exception):
    """Nothing was saved; the message says why. ``code`` as in the API's refusals; ``field``: what of the view it is."""

    def __init__(self, code: str, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


class ViewMissing(Exception):
    """There is no such view, or none that the person may see."""


def list_views(
    user_id: UUID, *, tenant: TenantRef, after: tuple[str, UUID] | None = None, limit: int | None = None
) -> list[SavedView]:
    """The person's own views and those that are shared, by name. One statement.

    ``after``: behind which one the list goes on, by its ``name_key`` and id; ``limit``: how many at most.
    """
    views = _views_of(user_id, tenant)
    if after is not None:
        name_key, id_ = after
        views = views.filter(Q(name_key__gt=name_key) | Q(name_key=name_key, id__gt=id_))
    return list(views.order_by("name_key", "id")[:limit])


def count_views(user_id: UUID, *, tenant: TenantRef) -> int:
    """How many views the person may open. One statement."""
    return _views_of(user_id, tenant).count()


def find_view(view_id: UUID, user_id: UUID, *, tenant: TenantRef) -> SavedView:
    """One view. Raises ViewMissing for one that is someone else's alone, or another tenant's. One statement."""
    view = _views_of(user_id, tenant).filter(id=view_id).first()
    if view is None:
        raise ViewMissing
    return view


def may_change(view: SavedView, user_id: UUID, *, is_admin: bool) -> bool:
    """Whether the person may change, share or delete the view: admins every shared one, others their own."""
    if view.is_locked:
        return is_admin
    return view.owner_id == user_id or (is_admin and view.is_shared)


def keep_query(query: str) -> str:
    """The part of an address that a view keeps."""
    kept = QueryDict(query, mutable=True)
    for name in NOT_KEPT:
        kept.pop(name, None)
    return kept.urlencode()


def save_view(
    name: str,
    query: str,
    *,
    user_id: UUID,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    share: bool = False,
    lock: bool = False,
    request_id: UUID | None = None,
) -> SavedView:
    """Keep a view of the person's own under a name. Inside the tenant's context. Raises ViewRefused.

    Only admins lock, and what is locked is shared.
    """
    text, key = _read_name(name)
    kept = _read_query(query)
    if lock and CONFIGURE_STAGES not in actor.permissions:
        raise ViewRefused("permission_denied", _(ONLY_ADMINS_LOCK), "scope")
    if SavedView.objects.filter(tenant_id=tenant.id, owner_id=user_id).count() >= MOST_VIEWS:
        sentence = _("You have %(most)s views already. Delete one first. Nothing was saved.")
        raise ViewRefused("conflict", sentence % {"most": MOST_VIEWS})
    view = SavedView(
        tenant_id=tenant.id,
        owner_id=user_id,
        name=text,
        name_key=key,
        query=kept,
        is_shared=share or lock,
        is_locked=lock,
        created_at=now,
        updated_at=now,
    )
    with _once_a_name(text):
        view.save(force_insert=True)
        _record("save_view", view, actor=actor, now=now, request_id=request_id)
    return view


def change_view(
    view_id: UUID,
    *,
    user_id: UUID,
    is_admin: bool,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    version: int | None = None,
    request_id: UUID | None = None,
    name: str | None = None,
    query: str | Callable[[str], str] | None = None,
    share: bool | None = None,
    lock: bool | None = None,
) -> SavedView:
    """Change what is given. Inside the tenant's context. ``version``: of the view that the person saw.

    ``query`` may be made of the one that the view has, which is locked then.
    Only admins lock and unlock. Raises ViewMissing, and ViewRefused: it is locked, or someone else's, or was changed
    since, or the name is taken; nothing was saved then.
    """
    view = _lock_row(view_id, user_id, is_admin=is_admin, tenant=tenant)
    if version is not None and version != view.version:
        raise ViewRefused(
            "version_conflict", _("The view was just changed by someone else. Your change was not saved.")
        )
    if lock is not None and not is_admin:
        raise ViewRefused("permission_denied", _(ONLY_ADMINS_LOCK), "scope")
    changed: dict[str, Any] = {"is_shared": share, "is_locked": lock}
    if name is not None:
        changed["name"], changed["name_key"] = _read_name(name)
    if query is not None:
        changed["query"] = _read_query(query(view.query) if callable(query) else query)
    if lock:
        changed["is_shared"] = True
    changed = {field: value for field, value in changed.items() if value not in (None, getattr(view, field))}
    if (view.is_locked and "is_locked" not in changed) and changed.get("is_shared") is False:
        raise ViewRefused("conflict", _("Unlock the view first. Nothing was saved."))
    if not changed:
        return view
    for field, value in changed.items():
        setattr(view, field, value)
    view.version, view.updated_at = view.version + 1, now
    with _once_a_name(view.name):
        view.save(force_update=True, update_fields=[*changed, "version", "updated_at"])
        _record("change_view", view, actor=actor, now=now, request_id=request_id, fields=sorted(changed))
    return view


def delete_view(
    view_id: UUID,
    *,
    user_id: UUID,
    is_admin: bool,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    request_id: UUID | None = None,
) -> None:
    """Delete the view. Inside the tenant's context. Raises ViewMissing and ViewRefused."""
    view = _lock_row(view_id, user_id, is_admin=is_admin, tenant=tenant)
    with transaction.atomic():
        _record("delete_view", view, actor=actor, now=now, request_id=request_id)
        view.delete()


def _lock_row(view_id: UUID, user_id: UUID, *, is_admin: bool, tenant: TenantRef) -> SavedView:
    view = _views_of(user_id, tenant).select_for_update().filter(id=view_id).first()
    if view is None:
        raise ViewMissing
    if not may_change(view, user_id, is_admin=is_admin):
        sentence = (
            _("“%(name)s” was locked by an admin. Save your changes as a view of your own. Nothing was saved.")
            if view.is_locked
            else _("“%(name)s” belongs to someone else. Save your changes as a view of your own. Nothing was saved.")
        )
        raise ViewRefused("permission_denied", sentence % {"name": view.name})
    return view


def _views_of(user_id: UUID, tenant: TenantRef) -> QuerySet[SavedView]:
    """Those that the person may open."""
    return SavedView.objects.filter(Q(owner_id=user_id) | Q(is_shared=True), tenant_id=tenant.id)


def _read_query(query: str) -> str:
    kept = keep_query(query)
    if len(kept) > LONGEST_QUERY:
        sentence = _("The filters of this view are too long to be saved. Nothing was saved.")
        raise ViewRefused("invalid_request", sentence, "query")
    return kept


def _read_name(name: str) -> tuple[str, str]:
    try:
        text = read_line(name, LONGEST_NAME, required=True)
    except InvalidValue as error:
        sentence = _("The name %(error)s. Nothing was saved.")
        raise ViewRefused("invalid_request", sentence % {"error": describe_value(error)}, "name") from error
    return text, sort_key(text)


@contextmanager
def _once_a_name(name: str) -> Iterator[None]:
    """A transaction in which a name that is taken is refused."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        sentence = _("You have a view called “%(name)s” already. Choose another name. Nothing was saved.")
        raise ViewRefused("conflict", sentence % {"name": name}) from error


def _record(
    action: str,
    view: SavedView,
    *,
    actor: Actor,
    now: dt.datetime,
    request_id: UUID | None,
    fields: list[str] | None = None,
) -> None:
    detail: Mapping[str, Any] = {"shared": view.is_shared, "locked": view.is_locked}
    record_administration(
        action,
        view.id,
        tenant_id=view.tenant_id,
        actor=actor,
        detail={**detail, "fields": fields} if fields else dict(detail),
        request_id=request_id,
        now=now,
    )
