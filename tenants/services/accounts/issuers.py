"""Tokens of external identity providers (OIDC): verified by the provider's keys, mapped to our users and roles.

A provider speaks for one tenant, may grant only what its role map names, and only to users that the tenant has made:
the effective rights are the mapped roles and the membership as it is now. What a provider cannot do: speak for
another tenant, make a super admin, or revive someone who was deactivated here.
"""

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import structlog
from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from audit.services.message_encryption import encrypt_message
from tenants.actors import Actor, TenantRef
from tenants.models import TokenIssuer, User
from tenants.roles import ROLE_OF_CLAIM, Role
from tenants.rules.texts import find_text_error
from tenants.sentences.figures import say_number
from tenants.services.accounts import jwks
from tenants.services.accounts.provider_fetching import fetch_json
from tenants.services.directory import PLATFORM

log = structlog.get_logger(__name__)

LEEWAY_SECONDS = 10
_LONGEST_NAME = 255
_LONGEST_URL = 500
OWN_ISSUER = settings.SIMPLE_JWT["ISSUER"]


class ExternalTokenRefused(Exception):
    """A provider's token is not accepted; the sentence says why."""


class IssuerRefused(Exception):
    """An issuer cannot be configured like this; the sentence says why."""


@dataclass(frozen=True, slots=True)
class ExternalClaims:
    """What a verified external token says, in our words."""

    user_id: UUID
    tenant_id: UUID
    roles: frozenset[str]
    expires_at: float


@dataclass(frozen=True, slots=True)
class PageClient:
    """As whom the pages sign people in at a provider, and where. ``client_secret`` empty: a public client."""

    client_id: str
    authorization_url: str
    token_url: str
    client_secret: str = ""


def read_issuer(token: str) -> str | None:
    """The ``iss`` of a token, unverified: only to find out whose keys to verify it with."""
    issuer = _read_unverified(token).get("iss")
    return issuer if isinstance(issuer, str) and _is_keepable(issuer) else None


def _read_unverified(token: str) -> Mapping[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return {}
    return claims


def _is_keepable(text: str) -> bool:
    """Whether a database could hold such a text; one that it cannot hold names no one."""
    return find_text_error(text, _LONGEST_NAME) is None


def is_external(token: str) -> bool:
    """Whether a token names another issuer than ourselves."""
    issuer = read_issuer(token)
    return issuer is not None and issuer != OWN_ISSUER


def read_external_token(token: str) -> ExternalClaims:
    """The claims of an external token after every check. Raises ExternalTokenRefused, jwks.KeysUnavailable.

    Checked: an active issuer of that name, the algorithm against the issuer's list and against the kind of key, the
    key id, the signature, ``exp``, ``iat``/``nbf``, ``aud``, ``iss``, the tenant claim, the subject, the roles.
    """
    name = read_issuer(token)
    candidates = list(TokenIssuer.objects.using(PLATFORM).filter(issuer=name, is_active=True)) if name else []
    if not candidates:
        raise ExternalTokenRefused(_("The token's issuer is not configured here."))
    header = _read_header(token)
    given = _read_unverified(token).get("aud")
    refusal = ExternalTokenRefused("The token is not valid here: wrong audience.")
    for issuer in candidates:
        # What another tenant asks of its tokens from the same provider (algorithms, keys) is its own affair.
        if issuer.audience not in (given if isinstance(given, list) else [given]):
            continue
        try:
            claims = _verify(token, header, issuer)
        except jwt.ExpiredSignatureError as error:
            raise ExternalTokenRefused(
                _("The token has expired: get a new one from your identity provider.")
            ) from error
        except jwt.PyJWTError as error:
            raise ExternalTokenRefused(f"The token is not valid here: {error}.") from error
        return _map_claims(claims, issuer)
    raise refusal


def read_id_token(token: str, issuer: TokenIssuer, *, nonce: str) -> ExternalClaims:
    """The claims of an ID token that a provider gave the pages, after every check that an access token goes through.

    Its audience is the client, and alone or by ``azp`` the one that it was made for; ``nonce`` is the one that was
    sent (OpenID Connect Core 1.0, 3.1.3.7). Raises ExternalTokenRefused, jwks.KeysUnavailable.
    """
    header = _read_header(token, default_key=jwks.THE_ONLY_KEY)
    try:
        claims = _verify(token, header, issuer, audience=issuer.client_id)
    except jwt.PyJWTError as error:
        raise ExternalTokenRefused(f"The ID token is not valid here: {error}.") from error
    many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if many else issuer.client_id) != issuer.client_id:
        raise ExternalTokenRefused(_("The ID token was made for another client."))
    given = claims.get("nonce")
    if not isinstance(given, str) or not constant_time_compare(given, nonce):
        raise ExternalTokenRefused(_("The ID token was made for another sign-in."))
    return _map_claims(claims, issuer)


def is_provider_only(user: User) -> bool:
    """Whether the user signs in through an identity provider that their tenant accepts now, and in no other way.

    A password from before they were linked to it would outlive what the provider decides. Who is not linked, and
    everyone while the tenant accepts no provider, logs in with a password. One statement at most.
    """
    if user.tenant_id is None or not user.uses_provider:
        return False
    return TokenIssuer.objects.using(PLATFORM).filter(tenant_id=user.tenant_id, is_active=True).exists()


def fetch_keys_ahead() -> None:
    """Fetch the keys of every issuer, so that the first token after a start finds them. One statement."""
    urls = set(TokenIssuer.objects.using(PLATFORM).filter(is_active=True).values_list("jwks_url", flat=True))
    connections.close_all()
    jwks.fetch_ahead(urls)


def fetch_keys_at_start() -> None:
    """The same beside the start of a process: neither the database nor a provider may hold it up."""
    threading.Thread(target=_fetch_ahead_alone, name="issuer-keys-at-start", daemon=True).start()


def _fetch_ahead_alone() -> None:
    try:
        fetch_keys_ahead()
    except DatabaseError as error:
        log.warning("issuers could not be read at the start", error=str(error))
    finally:
        connections.close_all()


def _read_header(token: str, *, default_key: str | None = None) -> Mapping[str, Any]:
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        # Among them: extensions that are marked critical (crit) and not known here.
        raise ExternalTokenRefused(f"The token is not valid here: {error}.") from error
    header.setdefault("kid", default_key)
    if not isinstance(header["kid"], str):
        raise ExternalTokenRefused(_("The token names no key (kid)."))
    return header


def _verify(token: str, header: Mapping[str, Any], issuer: TokenIssuer, *, audience: str = "") -> dict[str, Any]:
    algorithm = header.get("alg")
    if algorithm not in issuer.algorithms or algorithm not in TokenIssuer.ALGORITHMS:
        raise jwt.InvalidAlgorithmError(f"it is signed with {algorithm}, accepted is {', '.join(issuer.algorithms)}")
    key = jwks.find_key(issuer.jwks_url, header["kid"])
    if key is None:
        raise jwt.InvalidKeyError("its key is not among the issuer's keys")
    if key.algorithm_name != algorithm:
        raise jwt.InvalidAlgorithmError(f"its key is for {key.algorithm_name}")
    claims: dict[str, Any] = jwt.decode(
        token,
        key=key,
        algorithms=[algorithm],
        audience=audience or issuer.audience,
        issuer=issuer.issuer,
        leeway=LEEWAY_SECONDS,
        options={"require": ["exp", "iat", "sub", "aud", "iss"]},
    )
    return claims


def _map_claims(claims: Mapping[str, Any], issuer: TokenIssuer) -> ExternalClaims:
    tenant = claims.get(issuer.tenant_claim)
    if tenant is not None and tenant not in (str(issuer.tenant_id), _slug_of(issuer)):
        raise ExternalTokenRefused(_("The token is for another tenant than its issuer speaks for."))
    given = claims.get(issuer.roles_claim, [])
    if not isinstance(given, list) or not all(isinstance(role, str) for role in given):
        raise ExternalTokenRefused(f"The token's {issuer.roles_claim} must be a list of texts.")
    if not _is_keepable(claims["sub"]):
        raise ExternalTokenRefused(
            _("The token's subject (sub) is not a name: it is too long, or has control characters.")
        )
    user_id = (
        User.objects.using(PLATFORM)
        .filter(tenant_id=issuer.tenant_id, external_subject=claims["sub"])
        .values_list("id", flat=True)
        .first()
    )
    if user_id is None:
        raise ExternalTokenRefused(_("No user of this tenant has the token's subject. An admin must add them first."))
    roles = frozenset(issuer.role_map[role] for role in given if role in issuer.role_map)
    return ExternalClaims(user_id, issuer.tenant_id, roles, float(claims["exp"]))


def _slug_of(issuer: TokenIssuer) -> str:
    slug: str = TokenIssuer.objects.using(PLATFORM).values_list("tenant__slug", flat=True).get(id=issuer.id)
    return slug


def discover(issuer: str) -> dict[str, str]:
    """Where a provider's endpoints are, as it says itself (OpenID Connect Discovery 1.0). Raises IssuerRefused."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    if (refusal := jwks.check_url(url, _("The provider's address"))) is not None:
        raise IssuerRefused(refusal)
    try:
        answer = fetch_json(url)
    except (OSError, ValueError) as error:
        raise IssuerRefused(
            _("The provider does not describe itself at %(url)s: %(error)s. Nothing was changed.")
            % {"url": url, "error": error}
        ) from error
    names = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
    if not isinstance(answer, dict) or not all(isinstance(answer.get(name), str) for name in names):
        raise IssuerRefused(_("%(url)s is not the description of a provider. Nothing was changed.") % {"url": url})
    if answer["issuer"] != issuer:
        raise IssuerRefused(
            _("%(url)s describes %(other)s, which is not %(issuer)s. Nothing was changed.")
            % {"url": url, "other": answer["issuer"], "issuer": issuer}
        )
    return {name: answer[name] for name in names}


def _check_client(client: PageClient) -> None:
    if find_text_error(client.client_id, _LONGEST_NAME) is not None:
        raise IssuerRefused(_("The client id is empty, too long, or has control characters."))
    for url, what in (
        (client.authorization_url, _("The authorization endpoint")),
        (client.token_url, _("The token endpoint")),
    ):
        if (refusal := jwks.check_url(url, what)) is not None or len(url) > _LONGEST_URL:
            raise IssuerRefused(
                refusal
                or _("%(what)s is longer than %(most)s characters.") % {"what": what, "most": say_number(_LONGEST_URL)}
            )


def configure_issuer(
    *,
    issuer: str,
    audience: str,
    jwks_url: str,
    algorithms: Sequence[str],
    role_map: Mapping[str, str],
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    roles_claim: str = "roles",
    tenant_claim: str = "tenant_id",
    client: PageClient | None = None,
) -> TokenIssuer:
    """Accept tokens of an external issuer for a tenant; with ``client`` its people sign in to the pages through it too.

    Call inside the tenant's context. Raises IssuerRefused; nothing was changed then.
    """
    if (refusal := jwks.check_url(jwks_url)) is not None:
        raise IssuerRefused(refusal)
    if client is not None:
        _check_client(client)
    if issuer == OWN_ISSUER or not issuer or not audience:
        raise IssuerRefused(_("Give the provider's own iss, and the audience that its tokens carry for this product."))
    if not algorithms or set(algorithms) - set(TokenIssuer.ALGORITHMS):
        raise IssuerRefused(_("The algorithms must be among %(names)s.") % {"names": ", ".join(TokenIssuer.ALGORITHMS)})
    allowed = {claim for claim, role in ROLE_OF_CLAIM.items() if role is not Role.SUPER_ADMIN}
    if not role_map or set(role_map.values()) - allowed:
        raise IssuerRefused(
            _("The role map must lead to roles among %(names)s.") % {"names": ", ".join(sorted(allowed))}
        )
    said = {
        "jwks_url": jwks_url,
        "algorithms": list(algorithms),
        "role_map": dict(role_map),
        "roles_claim": roles_claim,
        "tenant_claim": tenant_claim,
    }
    if client is not None:
        said |= {name: getattr(client, name) for name in ("client_id", "authorization_url", "token_url")}
    with transaction.atomic():
        row, _made = TokenIssuer.objects.update_or_create(
            tenant_id=tenant.id,
            issuer=issuer,
            audience=audience,
            defaults={**said, "is_active": True},
            create_defaults={**said, "created_at": now},
        )
        if client is not None:
            secret = client.client_secret.encode()
            row.client_secret = encrypt_message(secret, tenant_id=tenant.id, row_id=row.id) if secret else None
            row.save(update_fields=["client_secret"])
        record_administration(
            "configure_issuer",
            issuer,
            tenant_id=tenant.id,
            actor=actor,
            detail={
                "audience": audience,
                "jwks_url": jwks_url,
                "role_map": dict(role_map),
                **({"client_id": client.client_id} if client else {}),
            },
            now=now,
        )
    return row
