"""Logging in with a password: limited, then looked up across tenants, then checked in constant time."""

import datetime as dt
from functools import lru_cache

from django.conf import settings
from django.contrib.auth.hashers import check_password, get_hasher, make_password
from django.db import Error as DatabaseError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.context import tenant_context, user_context
from tenants.models import User
from tenants.services.accounts.issuers import is_provider_only
from tenants.services.accounts.login_guard import Attempt, take_attempt
from tenants.services.directory import find_login

WRONG = _("The username or the password is wrong.")
INACTIVE = _("This account is deactivated. Ask your administrator to reactivate it.")
BY_PROVIDER = _("You sign in through your company's identity provider: this account has no password. Sign in there.")
SUSPENDED = _("Your company's access is suspended. Ask your administrator.")
LONGEST_PASSWORD = 1024
# Everyone knows the password of the demo's people.
DEMO_PASSWORD = "demo"  # noqa: S105


class LoginRefused(Exception):
    """The log-in is refused; the sentence says why. Who gives a wrong password learns only that."""


def check_login(username: str, password: str, *, address: str, now: dt.datetime, device: str = "") -> User:
    """The user who may log in with this password; their last log-in is recorded.

    The instance comes from the platform connection: read it, do not save it. Raises LoginsLimited before anything is
    looked up or hashed, LoginRefused otherwise. An unknown username costs the same time as a wrong password. With DEBUG
    off the demo's password opens nothing. ``device``: as in ``take_attempt``.
    """
    attempt = take_attempt(username=username, address=address, device=device)
    try:
        return _judge(attempt, username, password, now=now)
    except DatabaseError:
        # No password was judged: a database that is away must not shut people out for the hour after it.
        attempt.give_back()
        raise


def _judge(attempt: Attempt, username: str, password: str, *, now: dt.datetime) -> User:
    user = find_login(username)
    encoded = user.password if user is not None else _password_of_no_one(get_hasher().algorithm)
    right = len(password) <= LONGEST_PASSWORD and check_password(password, encoded)
    if user is None or not right or (password == DEMO_PASSWORD and not settings.DEBUG):
        raise LoginRefused(WRONG)
    if not user.is_active or (user.tenant is not None and user.tenant.is_suspended):
        attempt.give_back()
        raise LoginRefused(SUSPENDED if user.is_active else INACTIVE)
    if is_provider_only(user):
        attempt.give_back()
        raise LoginRefused(BY_PROVIDER)
    attempt.succeed()
    record_login(user, now=now)
    return user


def record_login(user: User, *, now: dt.datetime) -> None:
    """Keep when someone logged in last."""
    context = tenant_context(user.tenant_id) if user.tenant_id else user_context(user.id)
    with context:
        User.objects.filter(id=user.id).update(last_login=now)


@lru_cache(maxsize=4)
def _password_of_no_one(algorithm: str) -> str:
    """A hash by the hasher in use that no password matches; made once, so that checking it costs what any does."""
    return make_password(f"{algorithm} {timezone.now().timestamp()}")
