"""Pages and API: what granian calls in each worker of ``python -m config.serve web``."""

import os
from importlib import import_module

from config.processes import declare

declare("web")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from config.health import find_errors
from config.parsers import LARGEST_BODY
from config.serving.limits import Limits
from config.serving.loaded import load_everything
from config.serving.server import Server
from config.serving.threads import watch_own_connections
from tenants.checks import refuse_unbound_roles

# Before any thread has a connection.
refuse_unbound_roles()

application = Server(
    get_wsgi_application(),
    Limits(
        threads=settings.WEB_THREADS,
        api_bytes=LARGEST_BODY,
        form_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or LARGEST_BODY,
        upload_bytes=settings.MAX_UPLOAD_BYTES,
        body_seconds=settings.REQUEST_BODY_SECONDS,
        database_seconds=settings.DATABASE_SILENT_SECONDS,
    ),
    find_errors,
)
watch_own_connections()
# Models, and the addresses with all the pages behind them, can be imported only now that the application is set up. The
# first request does not wait for them.
import_module(settings.ROOT_URLCONF)
import_module("tenants.services.accounts.issuers").fetch_keys_at_start()
import_module("tenants.delivery.sender").start_sender()
load_everything()
