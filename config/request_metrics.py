"""What Prometheus reads of each request: how many, with what status, by which view, and how long they took.

The metrics are django-prometheus' own, with its names and labels. Its middlewares write sixteen values a request, by
charset, transport and size as well, which was a quarter of all the work for a small answer. Counted here is what the
alarms, the dashboard and the handbook name.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_prometheus.middleware import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER, NO_VIEW = "<invalid method>", "<unnamed view>"


class CountRequests:
    """Counts when a request comes and when it is answered; before all that can answer it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.metrics: Any = Metrics.get_instance()
        # The series of a method, status and view; there are no more of them than addresses of the product.
        self._series: dict[tuple[str, int, str], tuple[Any, Any, Any, Any]] = {}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, and count."""
        self.metrics.requests_total.inc()
        begin = perf_counter()
        response = self.get_response(request)
        seconds = perf_counter() - begin
        self.metrics.requests_latency_before.observe(seconds)
        match = request.resolver_match
        method = request.method if request.method in METHODS else OTHER
        key = (method or OTHER, response.status_code, (match and match.view_name) or NO_VIEW)
        by_method, by_status, by_all, latency = self._series.get(key) or self._find(key)
        by_method.inc()
        by_status.inc()
        by_all.inc()
        latency.observe(seconds)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """An exception that a view let out."""
        match = request.resolver_match
        self.metrics.exceptions_by_type.labels(type=type(exception).__name__).inc()
        self.metrics.exceptions_by_view.labels(view=(match and match.view_name) or NO_VIEW).inc()

    def _find(self, key: tuple[str, int, str]) -> tuple[Any, Any, Any, Any]:
        method, status, view = key
        series = self._series[key] = (
            self.metrics.requests_by_method.labels(method=method),
            self.metrics.responses_by_status.labels(status=str(status)),
            self.metrics.responses_by_status_view_method.labels(status=str(status), view=view, method=method),
            self.metrics.requests_latency_by_view_method.labels(view=view, method=method),
        )
        return series
