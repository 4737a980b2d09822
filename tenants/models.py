"""Tenants, the people who work for them, and the lifecycle each tenant has defined for itself."""

from typing import ClassVar
from uuid import UUID

import uuid_utils.compat
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from tenants.context import user_context
from tenants.roles import Role


class Tenant(models.Model):
    """A company that uses the product. ``configuration_version`` is the number of the live configuration."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    is_suspended = models.BooleanField(default=False)
    configuration_version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("view_lifecycle", "Can see customers, their stages and summaries"),
            ("update_lifecycle", "Can move customers to another stage"),
            ("view_history", "Can see who moved a customer, when and why"),
            ("configure_stages", "Can change the lifecycle configuration"),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Look-ups for Django's machinery; people of tenants are made by ``tenants.services.people``."""

    def create_superuser(self, username: str, email: str = "", password: str | None = None, **fields: object) -> "User":
        """Make a super admin (``manage.py createsuperuser``): internal staff without a tenant."""
        user = self.model(
            username=username, email=email, role=Role.SUPER_ADMIN, is_staff=True, is_superuser=True,
            created_at=timezone.now(), **fields,
        )
        user.set_password(password)
        # A row without tenant is writable only by the user it is about.
        with user_context(user.id):
            user.save(force_insert=True)
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person or a service account. It belongs to one tenant, or to none: internal staff.

    ``id`` is the public name of the user in tokens (``sub``), history and events: it tells nothing about the person.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    username = models.CharField(max_length=150, unique=True, help_text="The e-mail address is the usual choice.")
    email = models.EmailField(blank=True, default="")
    full_name = models.CharField(max_length=150, blank=True, default="")
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="users")
    role = models.CharField(max_length=20, choices=Role.choices)
    external_subject = models.CharField(max_length=255, blank=True, default="")
    is_service_account = models.BooleanField(default=False)
    updates_per_hour = models.PositiveIntegerField(
        null=True, blank=True, help_text="The service account's own budget; empty: the default of 1,000."
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May open the admin.")
    created_at = models.DateTimeField()

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tenant__isnull=True, role=Role.SUPER_ADMIN)
                | (Q(tenant__isnull=False) & ~Q(role=Role.SUPER_ADMIN)),
                name="user_staff_has_no_tenant",
                violation_error_message="A super admin belongs to no tenant, and every other user to exactly one.",
            ),
            models.UniqueConstraint(
                fields=["tenant", "external_subject"],
                condition=~Q(external_subject=""),
                name="user_external_subject_once_per_tenant",
            ),
            # The target of composite foreign keys: whoever points at a user names his tenant too.
            models.UniqueConstraint(fields=["tenant", "id"], name="user_of_tenant"),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def public_names(self) -> frozenset[str]:
        """The names by which an API caller may call this user in ``updated_by``."""
        return frozenset(filter(None, (str(self.id), self.username, self.external_subject)))


class ConfigurationVersion(models.Model):
    """One version of a tenant's lifecycle configuration, the contract's JSON. Immutable once published.

    A draft has no number yet; publishing gives it the next one. A draft's document may still be faulty, and
    ``mapping`` says where the customers of stages that go away shall go: stage -> {"to", "reason_code"?}.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="configuration_versions")
    number = models.PositiveIntegerField(null=True)
    document = models.JSONField()
    renamed = models.JSONField(default=dict, help_text="Stage names of the version before -> their names in this one.")
    mapping = models.JSONField(default=dict)
    request_id = models.UUIDField(null=True, help_text="Of the publication: the moves that it made carry the same.")
    comment = models.CharField(max_length=500, blank=True, default="")
    revision = models.PositiveIntegerField(default=1, help_text="Rises with every change of a draft.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    updated_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    published_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="configuration_number_once_per_tenant"),
            models.CheckConstraint(
                condition=Q(number__isnull=True, published_at__isnull=True)
                | Q(number__isnull=False, published_at__isnull=False),
                name="configuration_published_has_number",
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number}" if self.number else "draft"


class Stage(models.Model):
    """A stage that customers of the tenant may stand in now. The database holds every customer to these rows."""

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="stages")
    name = models.CharField(max_length=100)
    position = models.PositiveSmallIntegerField()
    category = models.CharField(max_length=20)
    is_leaving = models.BooleanField(
        default=False, help_text="No longer in the live configuration; its last customers are being moved elsewhere."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="stage_name_once_per_tenant"),
            models.UniqueConstraint("tenant", Lower("name"), name="stage_name_once_per_tenant_any_case"),
        ]

    def __str__(self) -> str:
        return self.name


class RefreshToken(models.Model):
    """A refresh token that was handed out, by the digest of its id: nothing in this row opens a session.

    Using one twice revokes its whole family. ``password_stamp`` ties it to the password of its day.
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


class TenantUserObjectPermission(UserObjectPermissionBase):
    """django-guardian's grants to single users, by a real foreign key to the tenant. Not used for roles."""

    id: UUID | int
    content_object = models.ForeignKey(Tenant, on_delete=models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False


class TenantGroupObjectPermission(GroupObjectPermissionBase):
    """django-guardian's grants to the group of a role in a tenant: the role matrix [SEC-1] as rows."""

    id: UUID | int
    content_object = models.ForeignKey(Tenant, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False
