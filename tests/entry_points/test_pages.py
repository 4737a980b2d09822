"""Every page x every role x own and other tenant. A page without a row here fails the build."""

from uuid import uuid4

import pytest
from django.test import Client

from tenants.roles import UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tests.entry_points.routes import list_routes
from tests.entry_points.test_api import MAY, traces
from tests.factories import look_at

# Pages of a tenant's data, with the permission each needs.
PAGES = {
    "/": VIEW_LIFECYCLE,
    "/snooze": VIEW_LIFECYCLE,
    "/palette": VIEW_LIFECYCLE,
    "/help": VIEW_LIFECYCLE,
    "/customers": VIEW_LIFECYCLE,
    "/customers/{customer_id}": VIEW_LIFECYCLE,
    "/customers/{customer_id}/live": VIEW_LIFECYCLE,
    "/customers/{customer_id}/health": VIEW_LIFECYCLE,
    "/customers/{customer_id}/history": VIEW_HISTORY,
    "/customers/as-of": VIEW_HISTORY,
    "/customers/{customer_id}/as-of": VIEW_HISTORY,
    "/customers/{customer_id}/move": UPDATE_LIFECYCLE,
    "/customers/{customer_id}/timeline": VIEW_HISTORY,
    "/customers/{customer_id}/notes": VIEW_HISTORY,
    "/customers/{customer_id}/tasks": VIEW_HISTORY,
    "/tasks": VIEW_HISTORY,
    "/customers/{customer_id}/handover": VIEW_HISTORY,
    "/renewals": VIEW_LIFECYCLE,
    "/insight": VIEW_LIFECYCLE,
    "/board": VIEW_LIFECYCLE,
    "/board/cards": VIEW_LIFECYCLE,
    "/notifications": VIEW_LIFECYCLE,
    "/notifications/bell": VIEW_LIFECYCLE,
    "/notifications/preferences": VIEW_LIFECYCLE,
}
# With ids of their own: see tests/effects/test_pages.py.
# And tests/web/test_work.py, tests/web/test_bulk.py.
POSTED = {
    # tests/web/test_record.py.
    "/customers/{customer_id}/fields/{path}",
