"""Django's session log-in (pages, admin) under row-level security."""

from typing import Any
from uuid import UUID

from axes.backends import AxesStandaloneBackend
from axes.exceptions import AxesBackendPermissionDenied
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from tenants.models import User
from tenants.services.accounts.login_devices import read_device
from tenants.services.accounts.login_guard import LoginsLimited
from tenants.services.accounts.logins import LoginRefused, check_login
from tenants.services.directory import find_session_user
from tenants.services.proxies import client_address


class LockoutBackend(AxesStandaloneBackend):
    """django-axes' guard of the log-in page, which says why like every other refusal."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Nothing for those who are not locked out; else the reason on the request, and PermissionDenied."""
        try:
            super().authenticate(request, **credentials)
        except AxesBackendPermissionDenied:
            _leave_reason(request, LoginsLimited(int(settings.AXES_COOLOFF_TIME.total_seconds())))
            raise


def show_lockout(_: HttpRequest, response: HttpResponse | None, __: Any) -> HttpResponse:
    """The log-in page as it was answered, with the status of a lock-out (django-axes' AXES_LOCKOUT_CALLABLE)."""
    response = response or HttpResponse()
    response.status_code = 429
    response.headers.setdefault("Retry-After", str(int(settings.AXES_COOLOFF_TIME.total_seconds())))
    return response


class TenantBackend(BaseBackend):
    """Checks passwords and finds the user of a session. It grants nothing: rights are ``tenants.permissions``'."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """The user of these credentials, or None. The reason is left on the request as ``login_refusal``."""
        if username is None or password is None:
            return None
        address = client_address(request) if request is not None else "unknown"
        try:
            device = read_device(request, username) if request is not None else ""
            user = check_login(username, password, address=address, device=device, now=timezone.now())
        except LoginsLimited as limited:
            _leave_reason(request, limited)
            # Stops Django from asking the other backends.
            raise PermissionDenied(str(limited)) from limited
        except LoginRefused as refused:
            _leave_reason(request, refused)
            return None
        return self.get_user(user.id)

    def get_user(self, user_id: UUID) -> User | None:
        """The user with their tenant, both read now; None when deactivated or their tenant is suspended.

        One statement: every page begins with it.
        """
        user = find_session_user(user_id)
        if user is None or not user.is_active or (user.tenant is not None and user.tenant.is_suspended):
            return None
        return user


def _leave_reason(request: HttpRequest | None, reason: Exception) -> None:
    if request is not None:
        request.login_refusal = reason  # type: ignore[attr-defined]
