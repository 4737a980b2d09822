"""The people who work for a tenant, and its service accounts."""

from typing import ClassVar

import uuid_utils.compat
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from audit.services.administration import record_administration
from tenants.actors import system_actor
from tenants.context import user_context
from tenants.homes import refuse_name_elsewhere
from tenants.models.tenants import Tenant
from tenants.roles import Role
from tenants.rules.texts import clean_line, fold_text
from tenants.rules.values import InvalidValue, read_username


class UserManager(BaseUserManager["User"]):
    """Look-ups for Django's machinery; people of tenants are made by ``tenants.services.accounts.people``."""

    def create_superuser(self, username: str, password: str | None = None, **fields: object) -> "User":
        """Make a super admin (``manage.py createsuperuser``): internal staff without a tenant.

        The administration log says so. Raises ValidationError for a user name that is taken and a password that is
        missing or weak; nothing is saved then.
        """
        try:
            username = read_username(username)
        except InvalidValue as error:
            raise ValidationError(f"The user name {error}. Nothing was saved.") from error
        user = self.model(
            username=username,
            email=username if "@" in username else "",
            role=Role.SUPER_ADMIN,
            is_staff=True,
            is_superuser=True,
            created_at=timezone.now(),
            **fields,
        )
        if not password:
            raise ValidationError(
                "A super admin needs a password, and none was given. Nothing was saved: give it at the prompt, or with"
                " --noinput in DJANGO_SUPERUSER_PASSWORD."
            )
        user.set_password(password)
        user.clean_fields()
        validate_password(password, user)
        try:
            refuse_name_elsewhere(username, user.id)
            # A row without tenant is writable only by the user it is about.
            with user_context(user.id), transaction.atomic():
                user.save(force_insert=True)
                record_administration(
                    "create_super_admin",
                    user.id,
                    tenant_id=None,
                    actor=system_actor("createsuperuser"),
                    now=user.created_at,
                )
        except IntegrityError as error:
            raise ValidationError(
                f"There is a user {username!r} already: choose another name. Nothing was saved."
            ) from error
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user of a username, in any case: for Django's own commands."""
        return super().get_by_natural_key(fold_text(clean_line(username or "")))


class User(AbstractBaseUser, PermissionsMixin):
    """A person or a service account. It belongs to one tenant, or to none: internal staff.

    ``id`` is the public name of the user in tokens (``sub``), history and events: it tells nothing about the person.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    username = models.CharField(max_length=150, unique=True, help_text="The e-mail address is the usual choice.")
    email = models.EmailField(blank=True, default="")
    full_name = models.CharField(max_length=150, blank=True, default="")
    team = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="People of the same team see each other's work.",
    )
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="users")
    role = models.CharField(max_length=20, choices=Role.choices)
    external_subject = models.CharField(max_length=255, blank=True, default="")
    is_service_account = models.BooleanField(default=False)
    updates_per_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="The service account's own budget; empty: the default of 1,000."
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May open the admin.")
    logouts = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How often they logged out everywhere: ends what was opened before."
    )
    ended_sessions = models.JSONField(
        null=True, blank=True, help_text="Log-ins over the API that were ended, until their tokens have."
    )
    language = models.CharField(
        max_length=10, blank=True, default="", db_default="", help_text="Empty: what the browser asks for."
    )
    time_zone = models.CharField(max_length=64, blank=True, default="", db_default="", help_text="Empty: UTC.")
    created_at = models.DateTimeField()

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tenant__isnull=True, role=Role.SUPER_ADMIN)
                | (Q(tenant__isnull=False) & ~Q(role=Role.SUPER_ADMIN)),
                name="user_staff_has_no_tenant",
                violation_error_message="A super admin belongs to no tenant, and every other user to exactly one.",
            ),
            models.CheckConstraint(
                condition=Q(is_superuser=False) | Q(role=Role.SUPER_ADMIN),
                name="user_superuser_is_super_admin",
                violation_error_message="Only a super admin is above the permissions of tenants.",
            ),
            models.UniqueConstraint(
                fields=["tenant", "external_subject"],
                condition=~Q(external_subject=""),
                name="user_external_subject_once_per_tenant",
            ),
            # The target of composite foreign keys: anyone who points at a user names their tenant too.
            models.UniqueConstraint(fields=["tenant", "id"], name="user_of_tenant"),
        ]

    def __str__(self) -> str:
        return self.username

    def get_session_auth_hash(self) -> str:
        """What a session must carry: another password, or logging out everywhere, ends it."""
        of_password: str = super().get_session_auth_hash()
        if not self.logouts:
            return of_password
        return salted_hmac("tenants.session", f"{of_password}:{self.logouts}", algorithm="sha256").hexdigest()

    @property
    def is_erased(self) -> bool:
        """Whether everything that named the person was erased; what they did is kept under their id."""
        return self.username == f"erased-{self.id}"

    @property
    def uses_provider(self) -> bool:
        """Whether they sign in by the company's identity provider, and so never by a password of ours."""
        return bool(self.external_subject)

    @property
    def public_names(self) -> frozenset[str]:
        """The names by which an API caller may call this user in ``updated_by``."""
        return frozenset(filter(None, (str(self.id), self.username, self.external_subject)))
