"""Load on the whole shape: two hosts, every process, PostgreSQL with a replica, a pooler, Valkey and a broker; clients
that keep a journal; one failure after the other. Then journals, database, topics and feed are compared.

``python -m tests.load`` (``make load``) is the long run; the test suite makes a small one.
"""

from typing import Final

# An address that gives a constant: the least that proxy, server and middlewares make of a request.
FLOOR: Final = "/api/v1/load/floor"
