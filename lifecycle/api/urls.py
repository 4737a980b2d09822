"""Addresses of the API."""

from django.urls import URLPattern, URLResolver, include, path

from lifecycle.api.viewsets import LifecycleViewSet

v1: list[URLPattern | URLResolver] = [
    path("auth/", include("tenants.api.urls")),
    path(
        "customers/<str:customer_id>/lifecycle",
        LifecycleViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="customer-lifecycle",
    ),
    path(
        "customers/<str:customer_id>/lifecycle/summary",
        LifecycleViewSet.as_view({"get": "summary"}),
        name="customer-lifecycle-summary",
    ),
]

urlpatterns: list[URLPattern | URLResolver] = [path("v1/", include(v1))]
