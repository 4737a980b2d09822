"""Mail that waits to be sent."""

import uuid_utils.compat
from django.db import models


class QueuedMail(models.Model):
    """A mail to one person, by what it is. Its text, address and link are made when it is sent, and stored nowhere.

    ``user_id`` may be no one's: asking for a new password leaves the same row whether the account exists or not.
    ``due_at`` is when it is tried next; a sender that takes the mail moves it, so that another one can take over if it
    does not come back.
    """

    INVITATION, RESET, CHANGED = "invitation", "password_reset", "password_changed"

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    kind = models.CharField(max_length=20)
    user_id = models.UUIDField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.kind} to {self.user_id}"
