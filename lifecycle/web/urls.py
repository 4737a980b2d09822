"""Addresses of the pages."""

from django.urls import path

from lifecycle.web.views import account

urlpatterns = [
    path("login", account.log_in, name="log-in"),
    path("logout", account.log_out, name="log-out"),
    path("tenants", account.switch_tenant, name="choose-tenant"),
]
