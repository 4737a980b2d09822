"""What all pages of a tenant share: the permission, no copies in caches, a fragment where htmx asks for one."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from lifecycle.web.live import Ticket, stream_url
from tenants.pages import PageView, TenantRequest, tenant_page
from tenants.services.configuration.policies import NoConfiguration


def page(permission: str, *methods: str) -> Callable[[PageView], PageView]:
    """Decorator: ``tenant_page`` for GET and HEAD (or ``methods``), never cached, distinguished by what htmx sends.

    A tenant that has published no configuration gets a page that says what to do about it.
    """

    def decorate(view: PageView) -> PageView:
        @wraps(view)
        def configured(request: TenantRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, *args, **kwargs)
            except NoConfiguration:
                return render(request, "unconfigured.html", status=409)

        chain: Any = tenant_page(permission)(configured)
        chain = vary_on_headers("HX-Request", "HX-History-Restore-Request")(never_cache(chain))
        return wraps(view)(require_http_methods(list(methods or ("GET", "HEAD")))(chain))

    return decorate


def wants_fragment(request: Any) -> bool:
    """Whether htmx asks for a part of the page. After "back" it asks for all of it."""
    return bool(request.htmx) and not request.htmx.history_restore_request


def tenant_stream(request: TenantRequest) -> str:
    """Where a page that shows many customers listens."""
    return stream_url(request, Ticket(request.tenant.id, str(request.identity.user_id), None))
