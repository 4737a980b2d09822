"""The operations that take an Idempotency-Key; made of the API's description."""

KEYED = (
    ("PATCH", "/api/v1/customers/[^/]+/lifecycle"),
    ("PATCH", "/api/v1/customers/[^/]+/notes/[^/]+"),
    ("PATCH", "/api/v1/customers/[^/]+/tasks/[^/]+"),
    ("POST", "/api/v1/customers/[^/]+/erase"),
    ("POST", "/api/v1/customers/[^/]+/notes"),
    ("POST", "/api/v1/customers/[^/]+/tasks"),
    ("POST", "/api/v1/lifecycle/transitions"),
    ("POST", "/api/v1/lifecycle/transitions/[^/]+/undo"),
    ("PUT", "/api/v1/customers"),
    ("PUT", "/api/v1/customers/[^/]+/pins/[^/]+"),
    ("PUT", "/api/v1/customers/by\\-external\\-id/[^/]+"),
)
