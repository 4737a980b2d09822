"""The views that people have saved, as the list shows them."""

from dataclasses import dataclass

from lifecycle.models import SavedView
from lifecycle.services.lists.saved_views import keep_query, list_views, may_change
from lifecycle.web.list_page import ListParameters
from tenants.pages import TenantRequest
from tenants.roles import CONFIGURE_STAGES, UPDATE_LIFECYCLE
from tenants.services.configuration.policies import live_policy


@dataclass(frozen=True, slots=True)
class SavedViews:
    """All that the person may open; the one that is open, if there is one, and whether the list differs from it."""

    views: list[SavedView]
    opened: SavedView | None
    may_change: bool
    is_changed: bool
    may_share: bool
    may_lock: bool


def is_admin(request: TenantRequest) -> bool:
    """Whether the person administers the tenant: they change and lock the views that are shared."""
    return request.identity.may(CONFIGURE_STAGES)


def may_share(request: TenantRequest) -> bool:
    """Whether the person may show a view to the whole team: those who work with customers."""
    return request.identity.may(UPDATE_LIFECYCLE)


def describe_saved_views(request: TenantRequest, asked: ListParameters) -> SavedViews:
    """One statement; two more at most for a view whose stage is called otherwise now."""
    user_id = request.identity.user_id
    views = list_views(user_id, tenant=request.tenant)
    opened = next((view for view in views if str(view.id) == asked.view), None)
    return SavedViews(
        views=views,
        opened=opened,
        may_change=opened is not None and may_change(opened, user_id, is_admin=is_admin(request)),
        is_changed=opened is not None and keep_query(asked.query_string) != _spell_query(opened.query, request),
        may_share=may_share(request),
        may_lock=is_admin(request),
    )


def _spell_query(query: str, request: TenantRequest) -> str:
    """What a view keeps, as the address of its list has it: programs write it as they like."""
    return keep_query(ListParameters.from_query(query, live_policy(request.tenant.id), request.tenant).query_string)
