"""Addresses of the API."""

from django.urls import URLPattern, URLResolver, include, path

from lifecycle.api.docs import DocsView, SchemaView
from lifecycle.api.viewsets.configuration import ConfigurationViewSet
from lifecycle.api.viewsets.customers import CustomerViewSet, LifecycleViewSet
from lifecycle.api.viewsets.personal_data import PersonalDataViewSet
from lifecycle.api.viewsets.transitions import TenantSummaryViewSet, TransitionViewSet

v1: list[URLPattern | URLResolver] = [
    path("auth/", include("tenants.api.urls")),
    path("customers", CustomerViewSet.as_view({"get": "list"}), name="customers"),
    # Before those that take an id: an external id may be any text.
    path(
        "customers/by-external-id/<path:external_id>",
        CustomerViewSet.as_view({"get": "find"}),
        name="customer-by-external-id",
    ),
    path("customers/<str:customer_id>", CustomerViewSet.as_view({"get": "retrieve"}), name="customer"),
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
    path(
        "customers/<str:customer_id>/lifecycle/history",
        LifecycleViewSet.as_view({"get": "history"}),
        name="customer-lifecycle-history",
    ),
    path("customers/<str:customer_id>/export", PersonalDataViewSet.as_view({"post": "export"}), name="customer-export"),
    path("customers/<str:customer_id>/erase", PersonalDataViewSet.as_view({"post": "erase"}), name="customer-erase"),
    path("lifecycle/summary", TenantSummaryViewSet.as_view({"get": "retrieve"}), name="lifecycle-summary"),
    path("lifecycle/transitions", TransitionViewSet.as_view({"post": "create"}), name="lifecycle-transitions"),
    path(
        "configuration",
        ConfigurationViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="configuration",
    ),
    path("schema", SchemaView.as_view(), name="schema"),
    path("configuration/preview", ConfigurationViewSet.as_view({"post": "preview"}), name="configuration-preview"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    path("docs", DocsView.as_view(), name="docs"),
]
