"""The lifecycle in the admin: drafting, trying, publishing and rolling back a tenant's configuration; customers and
their personal data; imports; dead letters; and the audit trail."""

from lifecycle.admin import configuration, customers, dead_letters, imports, trail

__all__ = ["configuration", "customers", "dead_letters", "imports", "trail"]
