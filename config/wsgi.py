"""WSGI entry point: pages and API."""

import os

from django.core.wsgi import get_wsgi_application

from config.processes import declare

declare("web")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
