"""Every address of the product, by room."""

from django.contrib import admin
from django.urls import include, path, re_path

from config.errors import api_address_not_found
from config.health import alive, ready
from config.metrics import show_metrics

# Not before: config.apps says why.
admin.autodiscover()

urlpatterns = [
    path("api/", include("lifecycle.api.urls")),
    re_path(r"^api/", api_address_not_found),
    path("scim/v2/", include("tenants.api.scim.urls")),
    path("admin/", admin.site.urls),
    path("healthz", ready, name="ready"),
    path("healthz/live", alive, name="alive"),
    path("metrics", show_metrics, name="metrics"),
    path("", include("lifecycle.web.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.page_not_found"
handler500 = "config.errors.server_error"
