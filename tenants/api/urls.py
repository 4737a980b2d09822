"""Addresses of the log-in API."""

from django.urls import path

from tenants.api.views import RefreshView, TokenView

urlpatterns = [
    path("token", TokenView.as_view(), name="token"),
    path("token/refresh", RefreshView.as_view(), name="token-refresh"),
]
