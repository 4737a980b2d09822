"""Probes for a container: alive (the process answers) and ready (it can do its work)."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from health_check.views import HealthCheckView


@transaction.non_atomic_requests
def alive(_: HttpRequest) -> HttpResponse:
    """200 while the process answers at all; asks nothing of anybody."""
    return HttpResponse("alive\n", content_type="text/plain")


class Ready(HealthCheckView):
    """200 while PostgreSQL answers, 500 otherwise. Redis and Kafka away mean slower, not down: they are not asked."""

    checks = ("health_check.checks.Database",)

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Plain text unless another format is asked for."""
        if "format" not in request.GET:
            query: Any = request.GET.copy()
            query["format"] = "text"
            request.GET = query
        response: HttpResponse = await super().get(request, *args, **kwargs)
        return response
