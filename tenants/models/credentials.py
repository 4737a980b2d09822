"""What opens a session without a password: refresh tokens, API keys, tokens of external issuers; and which are open."""

from typing import ClassVar
from uuid import uuid4

import uuid_utils.compat
from django.db import models
from django.db.models import Q

from tenants.models.people import User
from tenants.models.tenants import Tenant


class RefreshToken(models.Model):
    """A refresh token that was handed out, by the digest of its id: nothing in this row opens a session.

    Using one again later than ten seconds after the first time revokes its whole family. ``password_stamp`` ties it to
    the password of its day.
    """

    digest = models.BinaryField(primary_key=True)
    family = models.UUIDField(db_index=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, db_constraint=False, related_name="+")
    password_stamp = models.BinaryField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"refresh token of {self.user_id}"


class OpenSession(models.Model):
    """A log-in that goes on, as its owner sees it: one of the pages, or one of a program over the API.

    ``id`` of a program's is the family of its refresh tokens, and the claim ``sid`` of its access tokens. A row of the
    pages whose session is gone is over, whatever ``expires_at`` says. ``address`` is masked before it is kept, and
    ``program`` is a name of a closed list (``tenants.rules.browsers``).
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, db_constraint=False, related_name="+")
    session_key = models.CharField(max_length=40, null=True, unique=True)  # noqa: DJ001  unique, and programs have none
    address = models.CharField(max_length=50)
    program = models.CharField(max_length=60)
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"session of {self.user_id}"


class ApiKey(models.Model):
    """A key of a service account, shown once and stored as a keyed hash. It ends on its own, at the latest in a year.

    ``scopes`` are permissions of ``tenants.roles``: what the key may do is what they and the account's role allow.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="api_keys")
    user = models.ForeignKey(User, on_delete=models.CASCADE, db_constraint=False, related_name="api_keys")
    name = models.CharField(max_length=100)
    scopes = models.JSONField(default=list)
    secret_hash = models.BinaryField()
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, help_text="To the minute.")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API key"
        indexes = [models.Index(fields=["tenant", "user"], name="api_key_of_account")]

    def __str__(self) -> str:
        return self.name


class TokenIssuer(models.Model):
    """An external identity provider (OIDC) that speaks for one tenant: whose signed tokens are accepted beside ours.

    ``role_map`` maps values of the token's roles claim to our role claims; nothing else is ever granted. Users are
    found by ``external_subject`` = ``sub``; the provider cannot make or raise them.
    """

    ALGORITHMS: ClassVar[tuple[str, ...]] = ("RS256", "ES256", "EdDSA")

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="token_issuers")
    issuer = models.CharField(max_length=500, help_text="The exact iss claim.")
    audience = models.CharField(max_length=255)
    jwks_url = models.CharField(max_length=500)
    algorithms = models.JSONField(default=list)
    roles_claim = models.CharField(max_length=100, default="roles")
    tenant_claim = models.CharField(
        max_length=100, default="tenant_id", help_text="Must name this tenant when present."
    )
    role_map = models.JSONField(default=dict)
    client_id = models.CharField(
        max_length=255, blank=True, default="", db_default="", help_text="Empty: not for the pages."
    )
    client_secret = models.BinaryField(null=True, help_text="Encrypted. None: a public client.")
    authorization_url = models.CharField(max_length=500, blank=True, default="", db_default="")
    token_url = models.CharField(max_length=500, blank=True, default="", db_default="")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "issuer", "audience"], condition=Q(is_active=True), name="issuer_once_per_tenant"
            ),
        ]
        indexes = [models.Index(fields=["tenant", "issuer"], name="issuer_by_name")]

    def __str__(self) -> str:
        return self.issuer
