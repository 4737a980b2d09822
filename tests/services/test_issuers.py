"""External identity: tokens of a configured OIDC issuer, verified against a real small JWKS server on loopback."""

import base64
import datetime as dt
import functools
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.core.management import CommandError, call_command
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import User
from tenants.services.accounts import jwks, provider_fetching
from tenants.services.accounts.issuers import (
    ExternalTokenRefused,
    IssuerRefused,
    configure_issuer,
    fetch_keys_ahead,
    is_external,
    read_external_token,
)
from tests.factories import utc_now
from tests.messaging.waiting import await_that

ISSUER = "https://id.acme.example"
AUDIENCE = "customer360"
SUBJECT = "acme|42"
PATIENCE = 60.0


@functools.cache
def make_key(algorithm: str, number: int) -> Any:
    """The key that a provider makes as its first, second, ...: none of its other keys, and found by one search for all
    providers here.
    """
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()


class Provider:
    """A small identity provider: keys that can be rotated, and a server that shows the public ones."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.made = 0
        self.fetches = 0
        self.broken = False
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetches += 1
                body = json.dumps(provider.document()).encode()
                self.send_response(500 if provider.broken else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add_key(self, kid: str, algorithm: str) -> None:
        self.made += 1
        self.keys[kid] = algorithm, make_key(algorithm, self.made)

    def document(self) -> dict[str, Any]:
        writers = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
        return {
            "keys": [
                {
                    **writers[algorithm].to_jwk(key.public_key(), as_dict=True),
                    "kid": kid,
                    "use": "sig",
                    "alg": algorithm,
                }
                for kid, (algorithm, key) in self.keys.items()
            ]
        }

    def token(self, kid: str, *, signed_by: str | None = None, headers: Any = None, **claims: Any) -> str:
        algorithm, key = self.keys[signed_by or kid]
        now = utc_now()
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "iat": now,
            "exp": now + dt.timedelta(minutes=5),
            "roles": ["csm"],
        } | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid, **(headers or {})})


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    made.add_key("rsa-1", "RS256")
    made.add_key("ec-1", "ES256")
    made.add_key("ed-1", "EdDSA")
    jwks.forget_keys()
    yield made
    made.server.shutdown()
    made.server.server_close()
    jwks.forget_keys()


@pytest.fixture
def acme(tenant: TenantRef, users: Any, provider: Provider) -> TenantRef:
    with tenant_context(tenant.id):
        User.objects.filter(id=users.account_manager.id).update(external_subject=SUBJECT)
        configure_issuer(
            issuer=f"{ISSUER}/{tenant.slug}",
            audience=AUDIENCE,
            jwks_url=provider.url,
            algorithms=["RS256", "ES256", "EdDSA"],
            role_map={"csm": "ROLE_ACCOUNT_MANAGER"},
            tenant=tenant,
            actor=system_actor("tests"),
            now=utc_now(),
        )
    return tenant


def accepted(provider: Provider, tenant: TenantRef, kid: str, **claims: Any) -> Any:
    """What a client gets that tries again while the keys are being fetched."""
    token = provider.token(kid, **({"iss": f"{ISSUER}/{tenant.slug}"} | claims))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            return read_external_token(token)
        except jwks.KeysUnavailable:
            time.sleep(0.05)
    return read_external_token(token)


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1", "ed-1"])
def test_a_token_signed_by_the_issuer_opens(provider: Provider, acme: TenantRef, users: Any, kid: str) -> None:
    claims = accepted(provider, acme, kid, tenant_id=acme.slug)
    assert (claims.user_id, claims.tenant_id) == (users.account_manager.id, acme.id)
    assert claims.roles == {"ROLE_ACCOUNT_MANAGER"}


def test_tenants_that_share_a_provider_have_algorithms_of_their_own(
    provider: Provider, tenant: TenantRef, users: Any, other_tenant: TenantRef, other_users: Any
) -> None:
    """Whichever of them is looked at first: it had refused the tokens of the other."""
    people = {"RS256": (tenant, users.viewer), "ES256": (other_tenant, other_users.viewer)}
    for algorithm, (one, person) in people.items():
        with tenant_context(one.id):
            User.objects.filter(id=person.id).update(external_subject=SUBJECT)
            configure_issuer(
                issuer=f"{ISSUER}/{tenant.slug}",
                audience=f"of-{one.slug}",
                jwks_url=provider.url,
                algorithms=[algorithm],
                role_map={"csm": "ROLE_ACCOUNT_MANAGER"},
                tenant=one,
                actor=system_actor("tests"),
                now=utc_now(),
            )
    for kid, (one, person) in zip(("rsa-1", "ec-1"), people.values(), strict=True):
        claims = accepted(provider, tenant, kid, aud=["account", f"of-{one.slug}"])
        assert (claims.tenant_id, claims.user_id) == (one.id, person.id)
    with pytest.raises(ExternalTokenRefused, match="RS256"):
        accepted(provider, tenant, "ec-1", aud=f"of-{tenant.slug}")


def test_roles_outside_the_map_are_not_granted(provider: Provider, acme: TenantRef) -> None:
    assert accepted(provider, acme, "rsa-1", roles=["ROLE_SUPER_ADMIN", "root", "csm"]).roles == {
        "ROLE_ACCOUNT_MANAGER"
    }
    assert accepted(provider, acme, "rsa-1", roles=None).roles == frozenset()


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"aud": "another-product"}, "audience"),
        ({"exp": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": dt.datetime(2099, 1, 1, tzinfo=dt.UTC)}, "iat"),
        ({"sub": "somebody else"}, "No user of this tenant"),
        ({"tenant_id": "globex"}, "another tenant"),
        ({"roles": "csm"}, "list"),
        ({"iss": "https://evil.example"}, "not configured"),
        ({"headers": {"crit": ["b65"]}}, "not configured"),
        ({"iss": "a\x00b"}, "not configured"),
        ({"iss": "\ud800"}, "not configured"),
        ({"sub": "a\x00b"}, "is not a name"),
        ({"sub": "a" * 300}, "is not a name"),
    ],
)
def test_a_wrong_claim_is_refused(provider: Provider, acme: TenantRef, claims: Any, sentence: str) -> None:
    with pytest.raises(ExternalTokenRefused, match=sentence):
        accepted(provider, acme, "rsa-1", **claims)


def test_a_token_within_the_leeway_is_accepted(provider: Provider, acme: TenantRef) -> None:
    accepted(provider, acme, "rsa-1", exp=utc_now() - dt.timedelta(seconds=5))


def test_an_unknown_key_id_is_refused_and_costs_one_fetch_however_often(
    provider: Provider, acme: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 3600.0)
    accepted(provider, acme, "rsa-1")
    provider.add_key("hidden", "RS256")
    document = provider.document
    provider.document = lambda: {"keys": [key for key in document()["keys"] if key["kid"] != "hidden"]}  # type: ignore[method-assign]
    for _ in range(20):
        with pytest.raises(ExternalTokenRefused, match="key"):
            accepted(provider, acme, "hidden")
    assert provider.fetches == 1, "within the cool-down the known set stands"


def test_a_rotated_key_is_found_after_the_cool_down(
    provider: Provider, acme: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Making a key takes a busy machine seconds.
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 3600.0)
    accepted(provider, acme, "rsa-1")
    provider.add_key("rsa-2", "RS256")
    with pytest.raises(ExternalTokenRefused):
        accepted(provider, acme, "rsa-2")
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0.0)
    accepted(provider, acme, "rsa-2")
    assert provider.fetches == 2


def test_a_signature_by_another_key_is_refused(provider: Provider, acme: TenantRef) -> None:
    provider.add_key("rsa-2", "RS256")
    with pytest.raises(ExternalTokenRefused):
        accepted(provider, acme, "rsa-1", signed_by="rsa-2")


def test_alg_none_is_refused(provider: Provider, acme: TenantRef) -> None:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"iss": f"{ISSUER}/{acme.slug}", "aud": AUDIENCE, "sub": SUBJECT, "iat": 0, "exp": 4_000_000_000}
    token = f"{part({'alg': 'none', 'kid': 'rsa-1'})}.{part(claims)}."
    with pytest.raises(ExternalTokenRefused):
        read_external_token(token)


def test_hs256_with_the_public_key_is_refused(provider: Provider, acme: TenantRef) -> None:
    public = (
        provider.keys["rsa-1"][1]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    claims = {"iss": f"{ISSUER}/{acme.slug}", "aud": AUDIENCE, "sub": SUBJECT, "iat": utc_now()}
    claims["exp"] = utc_now() + dt.timedelta(minutes=5)
    import hashlib
    import hmac

    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value, default=lambda v: int(v.timestamp())).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "kid": "rsa-1"}) + b"." + part(claims)
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(ExternalTokenRefused, match="HS256"):
        read_external_token((signed + b"." + signature).decode())


def test_last_known_keys_serve_while_the_provider_is_away(
    provider: Provider, acme: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(provider, acme, "rsa-1")
    provider.broken = True
    monkeypatch.setattr(jwks, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0.0)
    accepted(provider, acme, "rsa-1")
    deadline = time.monotonic() + PATIENCE
    while provider.fetches < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert provider.fetches == 2
    accepted(provider, acme, "rsa-1")


def test_unknown_keys_are_unavailable_rather_than_wrong(provider: Provider, acme: TenantRef) -> None:
    provider.broken = True
    token = provider.token("rsa-1", iss=f"{ISSUER}/{acme.slug}")
    with pytest.raises(jwks.KeysUnavailable):
        read_external_token(token)
    await_that(lambda: not jwks._sets[provider.url].fetching)
    for _ in range(5):
        with pytest.raises(jwks.KeysUnavailable) as unavailable:
            read_external_token(token)
    assert provider.fetches == 1, "what failed is not tried again at once"
    assert 2 <= unavailable.value.retry_after <= 10


class Stubborn:
    """A server that takes connections and says nothing, or ``drips`` a byte now and then: no read ever times out."""

    def __init__(self, drips: bytes = b"") -> None:
        self.connections = 0
        self._drips = drips
        self._open = True
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/jwks.json"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self._open:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(self._drips)
                while self._open:
                    if self._drips:
                        connection.sendall(b" ")
                    time.sleep(0.1)
            except OSError:
                return

    def close(self) -> None:
        self._open = False
        # Closing alone wakes no one who waits for connections.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture(params=[b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def stubborn(request: Any) -> Iterator[Stubborn]:
    """Silent; dripping its headers; dripping its body."""
    jwks.forget_keys()
    server = Stubborn(request.param)
    yield server
    server.close()
    jwks.forget_keys()


def test_a_fetch_ends_in_time_whatever_the_server_does(stubborn: Stubborn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_fetching, "WHOLE_SECONDS", 1.0)
    monkeypatch.setattr(provider_fetching, "STEP_SECONDS", 120.0)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer within 1 seconds"):
        provider_fetching.fetch_keys(stubborn.url)
    assert time.monotonic() - began < 60


def note_waits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """How long requests wait for fetches from here on, each of them: seconds, which no busy machine makes more."""
    waits: list[float | None] = []

    class Begun(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return super().wait(timeout)

    monkeypatch.setattr(jwks, "threading", SimpleNamespace(Event=Begun, Thread=threading.Thread))
    return waits


def test_twelve_forged_tokens_of_a_silent_provider_hold_no_one_up(
    stubborn: Stubborn,
    provider: Provider,
    tenant: TenantRef,
    users: Any,
    in_threads: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It held twelve threads for three seconds each, again and again."""
    with tenant_context(tenant.id):
        configure_issuer(
            issuer=f"{ISSUER}/{tenant.slug}",
            audience=AUDIENCE,
            jwks_url=stubborn.url,
            algorithms=["RS256"],
            role_map={"csm": "ROLE_ACCOUNT_MANAGER"},
            tenant=tenant,
            actor=system_actor("tests"),
            now=utc_now(),
        )
    provider.add_key("forged", "RS256")
    forged = provider.token("forged", headers={"kid": "kid-0"}, iss=f"{ISSUER}/{tenant.slug}")
    waits = note_waits(monkeypatch)

    def try_token(number: int) -> None:
        for _ in range(5):
            with pytest.raises(jwks.KeysUnavailable):
                jwks.find_key(stubborn.url, f"kid-{number}")

    assert in_threads(12, try_token) == [None] * 12
    assert waits == [jwks.PATIENCE_SECONDS], "only the one that began the fetch gives it a moment"
    with pytest.raises(jwks.KeysUnavailable):
        read_external_token(forged)
    assert stubborn.connections == 1, "one fetch at a time"


def test_known_keys_serve_at_once_while_the_provider_is_silent(
    stubborn: Stubborn, provider: Provider, acme: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted(provider, acme, "rsa-1")
    monkeypatch.setattr(jwks, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0.0)
    # The one fetch is not given up while a busy machine verifies, or another would begin.
    monkeypatch.setattr(provider_fetching, "STEP_SECONDS", 2 * PATIENCE)
    monkeypatch.setattr(provider_fetching, "WHOLE_SECONDS", 2 * PATIENCE)
    monkeypatch.setattr(jwks, "fetch_keys", lambda _: provider_fetching.fetch_keys(stubborn.url))
    waits = note_waits(monkeypatch)
    for _ in range(20):
        accepted(provider, acme, "rsa-1")
    assert waits == []
    assert stubborn.connections <= 1


def test_the_keys_of_every_issuer_are_fetched_ahead(
    provider: Provider, acme: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without those that other tests have left: more than are fetched at once, some of them at names that are looked up.
    fetch_ahead = jwks.fetch_ahead
    monkeypatch.setattr(jwks, "fetch_ahead", lambda urls: fetch_ahead(urls & {provider.url}))
    fetch_keys_ahead()
    deadline = time.monotonic() + PATIENCE
    while not jwks._sets[provider.url].keys and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(jwks._sets[provider.url].keys) == {"rsa-1", "ec-1", "ed-1"}


def test_more_issuers_than_are_fetched_at_once_are_all_fetched_ahead_and_leave_room_for_tokens(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, most, asked = threading.Event(), [0], []

    def fetch(url: str) -> Any:
        if url == provider.url:
            return provider_fetching.fetch_keys(url)
        asked.append(url)
        most.append(sum(known.fetching is not None for known in jwks._sets.values()))
        assert silent.wait(PATIENCE)
        return {}

    monkeypatch.setattr(jwks, "fetch_keys", fetch)
    monkeypatch.setattr(jwks, "WHOLE_SECONDS", PATIENCE)
    urls = [f"https://id{number}.example/keys" for number in range(3 * jwks.MOST_AHEAD)]
    ahead = threading.Thread(target=jwks.fetch_ahead, args=(urls,))
    ahead.start()
    await_that(lambda: len(asked) == jwks.MOST_AHEAD)
    monkeypatch.setattr(jwks, "PATIENCE_SECONDS", PATIENCE)
    assert jwks.find_key(provider.url, "rsa-1") is not None, "a token that comes has its keys fetched beside them"
    silent.set()
    ahead.join(PATIENCE)
    await_that(lambda: sorted(asked) == sorted(urls))
    assert max(most) <= jwks.MOST_AHEAD


@pytest.mark.parametrize(
    "options",
    [
        {"jwks_url": "http://id.acme.example/keys"},
        {"jwks_url": "file:///etc/passwd"},
        {"algorithms": ["HS256"]},
        {"algorithms": []},
        {"role_map": {"root": "ROLE_SUPER_ADMIN"}},
        {"role_map": {}},
        {"issuer": "customer360"},
    ],
)
def test_an_unsafe_issuer_cannot_be_configured(tenant: TenantRef, options: Any) -> None:
    good = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks_url": "https://id.acme.example/keys",
        "algorithms": ["RS256"],
        "role_map": {"csm": "ROLE_ACCOUNT_MANAGER"},
    }
    with tenant_context(tenant.id), pytest.raises(IssuerRefused):
        configure_issuer(**(good | options), tenant=tenant, actor=system_actor("tests"), now=utc_now())


def test_garbage_is_not_external() -> None:
    for text in ("", "a.b.c", "x" * 10_000, "..", "eyJhbGciOiJub25lIn0..", "\x00"):
        assert not is_external(text)


def test_an_operator_configures_an_issuer_by_command(provider: Provider, tenant: TenantRef, users: Any) -> None:
    with tenant_context(tenant.id):
        User.objects.filter(id=users.account_manager.id).update(external_subject=SUBJECT)
    arguments = ["--tenant", tenant.slug, "--issuer", f"{ISSUER}/{tenant.slug}", "--audience", AUDIENCE]
    call_command("configure_issuer", *arguments, "--jwks-url", provider.url, "--role", "csm=ROLE_ACCOUNT_MANAGER")
    assert accepted(provider, tenant, "rsa-1").user_id == users.account_manager.id
    with pytest.raises(CommandError, match="role map"):
        call_command("configure_issuer", *arguments, "--jwks-url", provider.url, "--role", "root=ROLE_SUPER_ADMIN")
