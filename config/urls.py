"""Every address of the product, by room."""

from django.contrib import admin
from django.urls import include, path

from config.health import Ready, alive

urlpatterns = [
    path("api/", include("lifecycle.api.urls")),
    path("admin/", admin.site.urls),
    path("healthz", Ready.as_view(), name="ready"),
    path("healthz/live", alive, name="alive"),
    path("", include("django_prometheus.urls")),
    path("", include("lifecycle.web.urls")),
]
