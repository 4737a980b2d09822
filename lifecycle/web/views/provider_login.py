"""Signing in through a company's identity provider: there, and back."""

from typing import Any

from django.conf import settings
from django.contrib.auth import login
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from tenants.services.accounts.open_sessions import begin_page_session
from tenants.services.accounts.provider_login import GRANTED, SignInRefused, begin, finish

MINUTES = 10
_SALT = "provider-login"
LONGEST_COMPANY = 80


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Which company; then on to its provider, by a page that names it."""
    target = _target_of(request)
    company = (request.POST.get("company") or request.GET.get("company") or "")[:LONGEST_COMPANY].strip()
    context: dict[str, Any] = {"company": company, "next": target}
    if request.method != "POST":
        return render(request, "provider_login.html", context)
    try:
        begun = begin(company, redirect_uri=_return_address(request))
    except SignInRefused as refusal:
        return render(request, "provider_login.html", {**context, "refusal": refusal}, status=400)
    # A form that leads to another site would be stopped by the content policy: a page leads there.
    response = render(request, "provider_login.html", {"begun": begun})
    response.set_cookie(
        _cookie(),
        signing.dumps({**begun.kept, "next": target}, salt=_SALT, compress=True),
        max_age=MINUTES * 60,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


@never_cache
@require_safe
def come_back(request: HttpRequest) -> HttpResponse:
    """Where the provider sends the browser back to."""
    kept = read_kept(request)
    try:
        signed_in = finish(request.GET.dict(), kept, redirect_uri=_return_address(request))
    except SignInRefused as refusal:
        response = render(request, "provider_login.html", {"refusal": refusal, "next": "/"}, status=403)
    else:
        login(request, signed_in.user, backend="tenants.backends.TenantBackend")
        request.session[GRANTED] = signed_in.roles
        begin_page_session(request, signed_in.user.pk, now=timezone.now())
        response = redirect(kept.get("next") or "overview")
    # A sign-in ends once, whichever way.
    response.delete_cookie(_cookie(), samesite="Lax")
    return response


def _target_of(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next") or "/"
    allowed = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if allowed else "/"


def _return_address(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("provider-return"))


def read_kept(request: HttpRequest) -> dict[str, Any]:
    """What the browser keeps of a sign-in that has begun; nothing when it has expired or is not ours."""
    try:
        kept = signing.loads(request.COOKIES.get(_cookie(), ""), salt=_SALT, max_age=MINUTES * 60)
    except (signing.BadSignature, ValueError, TypeError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _cookie() -> str:
    return "__Host-sign-in" if settings.SESSION_COOKIE_SECURE else "sign-in"
