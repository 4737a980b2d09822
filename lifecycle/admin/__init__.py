"""The lifecycle in the admin: drafting, trying, publishing and taking back a tenant's configuration;
customers and their personal data; and dead letters."""

from lifecycle.admin import configuration, customers, dead_letters, imports

__all__ = ["configuration", "customers", "dead_letters", "imports"]
