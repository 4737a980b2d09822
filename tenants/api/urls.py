"""Addresses of the log-in API."""

from django.urls import path

from tenants.api.oauth import OAuthTokenView
from tenants.api.views import PasswordResetView, RefreshView, TokenView

urlpatterns = [
    path("oauth/token", OAuthTokenView.as_view(), name="oauth-token"),
    path("token", TokenView.as_view(), name="token"),
    path("password-reset", PasswordResetView.as_view(), name="request-password-reset"),
    path("token/refresh", RefreshView.as_view(), name="token-refresh"),
]
