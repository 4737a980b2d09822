"""The product's addresses, and the floor: the least that proxy, server and middlewares make of a request."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as product
from tests.load import FLOOR

__all__ = ["handler400", "handler403", "handler404", "handler500"]


@transaction.non_atomic_requests
def floor(_: HttpRequest) -> HttpResponse:
    """A constant."""
    return HttpResponse(b'{"floor": true}', content_type="application/json")


urlpatterns = [path(FLOOR.removeprefix("/"), floor), *product]
