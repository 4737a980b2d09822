"""The product's addresses, and the bare view that the cached summary is compared with."""

from django.urls import path

from bench.peers.views import BareView
from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as product

__all__ = ["handler400", "handler403", "handler404", "handler500"]

urlpatterns = [path("api/bench/bare", BareView.as_view()), *product]
