"""The lifecycle in the admin: drafting, trying, publishing and rolling back a tenant's configuration; customers and
their personal data; imports; dead letters; and the audit trail."""

from lifecycle.admin import customers, dead_letters, effects, endpoints, imports, seals, trail
from lifecycle.admin.configuration import pages

__all__ = ["customers", "dead_letters", "effects", "endpoints", "imports", "pages", "seals", "trail"]
