"""From a bearer token or a session to an Identity; the membership behind it is read as it is now."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.request import Request

from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.models import User
from tenants.roles import ROLE_OF_CLAIM, ROLE_PERMISSIONS
from tenants.services.accounts.api_keys import ApiKeyRefused, looks_like_key, verify_key
from tenants.services.accounts.client_credentials import is_key_good
from tenants.services.accounts.issuers import ExternalClaims, ExternalTokenRefused, is_external, read_external_token
from tenants.services.accounts.logins import INACTIVE, SUSPENDED
from tenants.services.accounts.membership import Membership, fetch_membership, read_membership
from tenants.services.accounts.provider_login import GRANTED
from tenants.services.accounts.tokens import AccessClaims, TokenRefused, read_access
from tenants.services.directory import find_tenant

# Under which key a super admin's session keeps the tenant they have chosen, and until when (see Impersonation).
CHOSEN_TENANT = "tenant"

MALFORMED = gettext_lazy("The Authorization header must read: Bearer <token>, with one token and no space in it.")
STALE = gettext_lazy("Session expired. Sign in again.")
KEY_ENDED = gettext_lazy(
    "The API key that this token came from has expired or was revoked: ask for a token by another key."
)
NO_SUCH_TENANT = gettext_lazy("There is no such tenant: check the X-Tenant header.")


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <credential>``: our access token, an API key, or the token of a configured issuer.

    Effective rights are what the credential grants and the membership grants now: a demotion acts on the next
    request, a promotion with the next token.
    """

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[Identity, object] | None:
        """The caller and what they showed; None without a bearer credential. Raises AuthenticationFailed."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return None
        if not token or " " in token:
            raise AuthenticationFailed(MALFORMED)
        slug = request.META.get("HTTP_X_TENANT")
        try:
            if looks_like_key(token):
                key = verify_key(token, now=timezone.now())
                member = _member(key.user_id, key.tenant_id, request)
                scopes = frozenset(key.scopes)
                return identify(member, granted=scopes, slug=slug, scopes=scopes), key
            claims = _read_claims(token)
        except (TokenRefused, ApiKeyRefused, ExternalTokenRefused) as refused:
            raise AuthenticationFailed(str(refused)) from refused
        membership = _member(claims.user_id, claims.tenant_id, request)
        # A changed password ends our own tokens; an external issuer answers for the log-in itself.
        granted, narrowed = permissions_of(claims.roles), None
        if isinstance(claims, AccessClaims):
            if membership.stamp != claims.stamp or claims.session_id in membership.ended_sessions:
                raise AuthenticationFailed(STALE)
            if claims.key_id is not None and not is_key_good(claims.key_id, now=timezone.now()):
                raise AuthenticationFailed(KEY_ENDED)
            narrowed = claims.scopes
            granted = granted if narrowed is None else narrowed
        by_provider = isinstance(claims, ExternalClaims)
        return identify(membership, granted=granted, slug=slug, scopes=narrowed, by_provider=by_provider), claims

    def authenticate_header(self, request: Request) -> str:
        """What a 401 says in WWW-Authenticate."""
        return self.keyword


@lru_cache(maxsize=256)
def permissions_of(claims: frozenset[str]) -> frozenset[str]:
    """What the roles named in a token grant together; a name that is no role grants nothing."""
    return frozenset[str]().union(*(ROLE_PERMISSIONS[ROLE_OF_CLAIM[name]] for name in claims if name in ROLE_OF_CLAIM))


class SessionIdentityAuthentication(SessionAuthentication):
    """The session of the pages, for their own calls to the API. Unsafe methods need the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Identity, None] | None:
        """The caller, or None without a session. A super admin's tenant is X-Tenant or the one chosen in the pages."""
        http_request: HttpRequest = request._request
        identity = identify_session(http_request, slug=request.META.get("HTTP_X_TENANT"))
        if identity is None:
            return None
        self.enforce_csrf(request)
        return identity, None

    def authenticate_header(self, request: Request) -> str:
        """The same as for tokens: a client that comes without either hears of the bearer token."""
        return BearerAuthentication.keyword


def _read_claims(token: str) -> AccessClaims | ExternalClaims:
    """Ours first: only a token that we did not make is looked at for its issuer."""
    try:
        return read_access(token)
    except TokenRefused:
        if is_external(token):
            return read_external_token(token)
        raise


def _member(user_id: UUID, tenant_id: UUID | None, request: Request) -> Membership:
    """The membership as it is now, if the user still belongs to the tenant. Raises AuthenticationFailed.

    The copies that the view wants of the tenant come with it, as ``request.copies``: one round trip to Redis for both.
    """
    wanted = getattr(request.parser_context.get("view"), "wanted_copies", None)
    also = wanted(tenant_id) if wanted and tenant_id else ()
    membership, request.copies = fetch_membership(user_id, also)  # type: ignore[attr-defined]
    if membership is None or (membership.tenant.id if membership.tenant else None) != tenant_id:
        raise AuthenticationFailed(STALE)
    return membership


@dataclass(frozen=True, slots=True)
class Impersonation:
    """The tenant for which a super admin works in a session, and until when they may.

    ``change_reason`` is what they last said about a change: the next one offers it again.
    """

    slug: str
    until: dt.datetime
    change_reason: str = ""

    def to_session(self) -> dict[str, str]:
        """As the session keeps it."""
        return {"slug": self.slug, "until": self.until.isoformat(), "change_reason": self.change_reason}


def read_impersonation(session: Mapping[str, Any]) -> Impersonation | None:
    """The impersonation that a session remembers, over or not; None without one."""
    kept: Any = session.get(CHOSEN_TENANT)
    try:
        return Impersonation(kept["slug"], dt.datetime.fromisoformat(kept["until"]), str(kept.get("change_reason", "")))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def identify_session(request: HttpRequest, *, slug: str | None = None) -> Identity | None:
    """The caller whom Django's session names, or None. ``slug`` overrides the tenant that a super admin has chosen."""
    user: Any = request.user
    if not isinstance(user, User):
        return None
    membership = read_membership(user.id)
    if membership is None:
        return None
    if slug is None and membership.tenant is None:
        chosen = read_impersonation(request.session)
        slug = chosen.slug if chosen is not None and chosen.until > timezone.now() else None
    roles = request.session.get(GRANTED)
    granted = None if roles is None else permissions_of(frozenset(roles))
    return identify(membership, granted=granted, slug=slug, by_provider=roles is not None)


def identify(
    membership: Membership,
    *,
    granted: frozenset[str] | None,
    slug: str | None,
    scopes: frozenset[str] | None = None,
    by_provider: bool = False,
) -> Identity:
    """The identity of a member in the tenant that ``slug`` names, or in their own.

    ``granted``: what the token's roles or ``scopes`` grant, or the roles of an identity provider (``by_provider``);
    None: nothing narrows the membership. A super admin without a slug has no tenant yet. Raises AuthenticationFailed
    for a deactivated account or a suspended tenant; NotFound for a tenant that does not exist, which for everyone but a
    super admin is every tenant but their own.
    """
    if not membership.is_active:
        raise AuthenticationFailed(INACTIVE)
    if membership.is_suspended:
        raise AuthenticationFailed(SUSPENDED)
    tenant = membership.tenant
    if tenant is None and slug:
        tenant = _find_named(slug)
    elif tenant is not None and slug and slug != tenant.slug:
        raise NotFound(NO_SUCH_TENANT)
    # Whatever is logged in this request from here on says for whom.
    structlog.contextvars.bind_contextvars(user_id=str(membership.user_id), tenant=tenant.slug if tenant else None)
    return Identity(
        user_id=membership.user_id,
        username=membership.username,
        role=membership.role,
        tenant=tenant,
        permissions=membership.permissions if granted is None else membership.permissions & granted,
        public_names=membership.public_names,
        is_service_account=membership.is_service_account,
        updates_per_hour=membership.updates_per_hour,
        scopes=scopes,
        is_granted_by_provider=by_provider,
    )


def _find_named(slug: str) -> TenantRef:
    tenant = find_tenant(slug)
    if tenant is None:
        raise NotFound(NO_SUCH_TENANT)
    return tenant
