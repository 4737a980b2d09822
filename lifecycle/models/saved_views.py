"""Views of the customer list that people keep: filters, columns and order under a name."""

import uuid_utils.compat
from django.db import models


class SavedView(models.Model):
    """One view. ``query`` is what its address has, in its one spelling.

    Not ``is_shared``: only the owner sees it. A shared view is changed by its owner and by tenant admins; one that an
    admin has locked only by admins.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    tenant_id = models.UUIDField()
    owner_id = models.UUIDField()
    name = models.CharField(max_length=80)
    name_key = models.TextField(editable=False)
    query = models.TextField()
    is_shared = models.BooleanField(default=False, db_default=False)
    is_locked = models.BooleanField(default=False, db_default=False)
    version = models.PositiveIntegerField(default=1, db_default=1, help_text="Rises with each change.")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "lifecycle_saved_view"
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "owner_id", "name_key"], name="saved_view_once_a_name"),
            models.CheckConstraint(
                condition=models.Q(is_locked=False) | models.Q(is_shared=True),
                name="saved_view_locked_is_shared",
                violation_error_message="Only shared views can be locked.",
            ),
        ]
        indexes = [models.Index(fields=["tenant_id"], name="saved_view_shared", condition=models.Q(is_shared=True))]

    def __str__(self) -> str:
        return self.name
