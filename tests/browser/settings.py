"""The settings of the servers that browser tests run: in production, too, a browser asks once for a file that it has.

Development asks again with each page, which is a dozen requests. And a busy machine is no outage, as in
``tests/conftest.py``: what a move announces is lost when Redis is given up after half a second, and there is no relay
here that says it again.
"""

from config.settings import *  # noqa: F403

WHITENOISE_MAX_AGE = 3600
PATIENT = {"SOCKET_CONNECT_TIMEOUT": 20, "SOCKET_TIMEOUT": 20}
CACHES = {name: {**cache, "OPTIONS": {**cache["OPTIONS"], **PATIENT}} for name, cache in CACHES.items()}  # noqa: F405
# A file of 30 MB is sent by a browser that waits for a processor.
REQUEST_BODY_SECONDS = 120
