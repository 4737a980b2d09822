"""Links by which a person sets a password without knowing the present one: signed, for a while, and for one use."""

import datetime as dt
from uuid import UUID

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_decode, urlsafe_base64_encode

from tenants.models import User
from tenants.services.directory import find_user


class LinkTokens(PasswordResetTokenGenerator):
    """Tokens of one purpose. Each is a hash over the present password: it ends when a password is set."""

    def __init__(self, purpose: str, *, lifetime: dt.timedelta) -> None:
        super().__init__()
        self.key_salt = f"tenants.services.{purpose}"
        self.lifetime = lifetime

    def check_token(self, user: User | None, token: str | None) -> bool:
        """Whether the token is the user's and its time is not over."""
        return bool(super().check_token(user, token)) and self._age(str(token)) <= self.lifetime

    def _age(self, token: str) -> dt.timedelta:
        made_at = base36_to_int(token.partition("-")[0])
        return dt.timedelta(seconds=self._num_seconds(self._now()) - made_at)

    def make_path(self, room: str, user: User) -> str:
        """``/room/who/token``: the address of the page on which the password is set."""
        return f"/{room}/{urlsafe_base64_encode(force_bytes(user.pk))}/{self.make_token(user)}"

    def find_user(self, uid: str, token: str) -> User | None:
        """The person whom a link is for, if it is still valid and they may have a password of ours."""
        try:
            user = find_user(UUID(urlsafe_base64_decode(uid).decode()))
        except (ValueError, UnicodeDecodeError):
            return None
        return user if user is not None and may_have_link(user) and self.check_token(user, token) else None


def may_have_link(user: User) -> bool:
    """Not for service accounts, those who were shut out, and those who sign in by their company's provider: anyone who
    held such a link could be them.
    """
    suspended = user.tenant is not None and user.tenant.is_suspended
    return user.is_active and not suspended and not user.is_service_account and not user.uses_provider
