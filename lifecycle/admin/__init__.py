"""The lifecycle in the admin: drafting, trying, publishing and taking back a tenant's configuration;
and dead letters."""

from lifecycle.admin import configuration, dead_letters, imports

__all__ = ["configuration", "dead_letters", "imports"]
