"""Signing in to the pages through a company's identity provider: authorization code with PKCE (RFC 6749, RFC 7636).

The browser keeps what a sign-in needs to end (a signed cookie, for ten minutes): nothing is stored for people who are
not known yet. What the ID token may say is what an access token of the same provider may say (``issuers``).
"""

import base64
import hashlib
import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import structlog
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from audit.services.message_encryption import decrypt_message
from tenants.context import tenant_context
from tenants.models import TokenIssuer, User
from tenants.roles import ROLE_OF_CLAIM
from tenants.services.accounts import jwks, logins
from tenants.services.accounts.issuers import ExternalTokenRefused, read_id_token
from tenants.services.accounts.provider_fetching import fetch_json
from tenants.services.directory import PLATFORM, find_tenant

log = structlog.get_logger(__name__)

# The roles that the provider granted, in the session: they narrow what the membership allows.
GRANTED: Final = "provider_roles"
# Of a process, and of one provider: a silent one holds a thread for seconds, and must leave turns to the others.
MOST_AT_ONCE: Final = 4
MOST_OF_ONE: Final = 2
_running: Counter[str] = Counter()
_lock = threading.Lock()


class SignInRefused(Exception):
    """The sign-in did not succeed; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, the provider's host, and what it keeps until it comes back."""

    url: str
    host: str
    kept: dict[str, str]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in, and the roles that the provider granted them."""

    user: User
    roles: list[str]


def begin(company: str, *, redirect_uri: str) -> Begun:
    """Begin a sign-in at the provider of the company with this short name.

    Raises SignInRefused: whether there is no such company, or it has no provider, is not said.
    """
    tenant = find_tenant(company)
    issuer = _issuers().filter(tenant_id=tenant.id).first() if tenant else None
    if issuer is None:
        raise SignInRefused(
            _("No company of this name signs in through an identity provider. Check the name, or use your password.")
        )
    # Its keys are there when the browser is back.
    jwks.fetch_ahead({issuer.jwks_url})
    kept = {
        "issuer": str(issuer.id),
        "state": secrets.token_urlsafe(32),
        "nonce": secrets.token_urlsafe(32),
        "verifier": secrets.token_urlsafe(48),
    }
    asked = {
        "response_type": "code",
        "client_id": issuer.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid profile",
        "state": kept["state"],
        "nonce": kept["nonce"],
        "code_challenge": _challenge(kept["verifier"]),
        "code_challenge_method": "S256",
    }
    joined = "&" if urlsplit(issuer.authorization_url).query else "?"
    url = f"{issuer.authorization_url}{joined}{urlencode(asked)}"
    return Begun(url, urlsplit(url).hostname or "", kept)


def finish(answer: Mapping[str, str], kept: Mapping[str, Any], *, redirect_uri: str) -> SignedIn:
    """End a sign-in with what the provider sent the browser back with. Raises SignInRefused."""
    if "error" in answer:
        # Some send no state along with it, and it ends in the same way.
        log.info("sign-in refused by the provider", error=answer["error"][:100])
        raise SignInRefused(_("Your identity provider did not sign you in. Try again, or ask your administrator."))
    state = answer.get("state", "")
    if not kept or not constant_time_compare(state, str(kept.get("state", ""))):
        raise SignInRefused(_("This sign-in has expired, or was begun in another browser. Begin again."))
    issuer = _issuers().filter(id=kept["issuer"]).first()
    # RFC 9207: who says that they are another provider is not believed.
    if issuer is None or answer.get("iss", issuer.issuer) != issuer.issuer:
        raise SignInRefused(_("This identity provider is no longer accepted here. Ask your administrator."))
    token = _exchange(issuer, answer.get("code", ""), str(kept["verifier"]), redirect_uri)
    try:
        claims = read_id_token(token, issuer, nonce=str(kept["nonce"]))
    except ExternalTokenRefused as refusal:
        raise SignInRefused(_("%(refusal)s Ask your administrator.") % {"refusal": refusal}) from refusal
    except jwks.KeysUnavailable as refusal:
        raise SignInRefused(str(refusal)) from refusal
    return _admit(claims.user_id, claims.tenant_id, sorted(claims.roles))


def _issuers() -> Any:
    return TokenIssuer.objects.using(PLATFORM).filter(is_active=True).exclude(client_id="").order_by("created_at")


def _admit(user_id: Any, tenant_id: Any, roles: list[str]) -> SignedIn:
    with tenant_context(tenant_id):
        user = User.objects.select_related("tenant").get(id=user_id)
    if not user.is_active:
        raise SignInRefused(str(logins.INACTIVE))
    if user.tenant is None or user.tenant.is_suspended:
        raise SignInRefused(str(logins.SUSPENDED))
    if not any(role in ROLE_OF_CLAIM for role in roles):
        raise SignInRefused(_("Your identity provider gives you no role here. Ask your administrator."))
    logins.record_login(user, now=timezone.now())
    return SignedIn(user, roles)


def _exchange(issuer: TokenIssuer, code: str, verifier: str, redirect_uri: str) -> str:
    """The ID token for a code, within five seconds."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": issuer.client_id,
        "code_verifier": verifier,
    }
    if not _take_turn(issuer.token_url):
        raise SignInRefused(_("Too many people are signing in at this moment. Begin again in a few seconds."))
    try:
        answer = fetch_json(issuer.token_url, form, authorization=_authorization(issuer))
    except (OSError, ValueError) as error:
        log.warning("no token from the provider", issuer=issuer.issuer, error=str(error)[:200])
        raise SignInRefused(
            _("Your identity provider does not answer as it should. Begin again in a minute.")
        ) from error
    finally:
        _give_turn_back(issuer.token_url)
    token = answer.get("id_token") if isinstance(answer, dict) else None
    if not isinstance(token, str):
        raise SignInRefused(_("Your identity provider does not answer as it should. Begin again in a minute."))
    return token


def _take_turn(url: str) -> bool:
    with _lock:
        if _running.total() >= MOST_AT_ONCE or _running[url] >= MOST_OF_ONE:
            return False
        _running[url] += 1
        return True


def _give_turn_back(url: str) -> None:
    with _lock:
        _running[url] -= 1
        if not _running[url]:
            del _running[url]


def _authorization(issuer: TokenIssuer) -> str:
    """Client id and secret as RFC 6749, 2.3.1 has them; empty for a public client."""
    if issuer.client_secret is None:
        return ""
    secret = decrypt_message(issuer.client_secret, tenant_id=issuer.tenant_id, row_id=issuer.id).decode()
    pair = f"{quote(issuer.client_id, safe='')}:{quote(secret, safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
