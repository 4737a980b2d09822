"""ASGI entry point of the design card. The event stream has its own, ``config.stream``; pages and API run on WSGI."""

import os

from django.core.asgi import get_asgi_application

from config.processes import declare

declare("web")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()
