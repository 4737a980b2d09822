"""The settings' database engine: Django's for PostgreSQL, with transactions that begin with their first statement."""
