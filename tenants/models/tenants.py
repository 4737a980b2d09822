"""The company that uses the product."""

from typing import Final

import uuid_utils.compat
from django.core.validators import MaxValueValidator
from django.db import models

MOST_EFFECTS_UNASKED: Final = 100_000


class Tenant(models.Model):
    """A company that uses the product. ``configuration_version`` is the number of the live configuration.

    ``is_sandbox``: it is for trying things out. It is emptied every night and filled with made-up customers, and
    nothing leaves it for customers. It is so from its first day or never: the database refuses to change it.
    ``emptied_at``: when it was last filled; what was sent before is of no concern to it any more.

    ``effects_budget``: what would start more effects with one bulk change is asked to confirm their number.
    """

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    is_suspended = models.BooleanField(default=False)
    configuration_version = models.PositiveIntegerField(default=0)
    effects_budget = models.PositiveIntegerField(
        "effects a bulk change starts unasked",
        default=50,
        db_default=50,
        validators=[MaxValueValidator(MOST_EFFECTS_UNASKED)],
        help_text="A bulk change that would start more has to confirm their number. 0: every one has to.",
    )
    is_sandbox = models.BooleanField(
        "sandbox",
        default=False,
        db_default=False,
        help_text="For trying things out: emptied and filled with made-up customers every night. Cannot be changed"
        " later.",
    )
    emptied_at = models.DateTimeField("last reset", null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("view_lifecycle", "Can see customers, their stages and summaries"),
            ("update_lifecycle", "Can move customers to another stage"),
            ("view_history", "Can see who moved a customer, when and why"),
            ("configure_stages", "Can change the lifecycle configuration"),
            ("mute_effects", "Can change stages without starting effects"),
            ("reveal_contacts", "Can see how to reach the people at a customer"),
            ("manage_people", "Can make, change and deactivate people"),
        ]

    def __str__(self) -> str:
        return self.name
