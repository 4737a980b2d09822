"""A tenant moves to another PostgreSQL server while people work; operators' work, over the administrator's logins.

The copying is PostgreSQL's own logical replication with a row filter. What is here says in which order, waits,
compares, and can be killed at any line: ``steps`` has the plan.
"""
