"""What all pages of a tenant share: the permission, no copies in caches, a fragment where htmx asks for one."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from lifecycle.web.live import Ticket, stream_url
from tenants.pages import FORMS_ONLY, PageView, TenantRequest, tenant_page
from tenants.roles import CONFIGURE_STAGES
from tenants.services.configuration.policies import NoConfiguration

# What asks for itself again when something was announced: no later announcement makes good for what is missing then.
LIVE: Final = frozenset({"overview", "results"})


def page(permission: str, *methods: str, on_replica: bool = False) -> Callable[[PageView], PageView]:
    """Decorator: ``tenant_page`` for GET and HEAD (or ``methods``), never cached, distinguished by what htmx sends.

    ``on_replica``: it only reads, and a replica may answer it.

    A tenant that has published no configuration gets a page that says what to do about it.
    """

    def decorate(view: PageView) -> PageView:
        @wraps(view)
        def configured(request: TenantRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except NoConfiguration:
                context = {"may_configure": request.identity.may(CONFIGURE_STAGES)}
                return render(request, "unconfigured.html", context, status=409)

        chain: Any = tenant_page(permission, on_replica=on_replica, is_newest=_is_live)(configured)
        chain = vary_on_headers("HX-Request", "HX-History-Restore-Request")(never_cache(chain))
        found: PageView = wraps(view)(require_http_methods(list(methods or ("GET", "HEAD")))(chain))
        if methods == ("POST",):
            setattr(found, FORMS_ONLY, True)
        return found

    return decorate


def _is_live(request: Any) -> bool:
    """Whether an open page asks because something has changed."""
    return bool(request.htmx) and request.htmx.trigger in LIVE


def wants_fragment(request: Any) -> bool:
    """Whether htmx asks for a part of the page. After "back" it asks for all of it."""
    return bool(request.htmx) and not request.htmx.history_restore_request


def tenant_stream(request: TenantRequest) -> str:
    """Where a page that shows many customers listens."""
    return stream_url(request, Ticket(request.tenant.id, str(request.identity.user_id), None))
