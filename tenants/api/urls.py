"""Addresses of the log-in API."""

from django.urls import path

from tenants.api.views import PasswordResetView, RefreshView, TokenView

urlpatterns = [
    path("token", TokenView.as_view(), name="token"),
    path("password-reset", PasswordResetView.as_view(), name="request-password-reset"),
    path("token/refresh", RefreshView.as_view(), name="token-refresh"),
]
