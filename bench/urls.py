"""The product's addresses, and the peers that it is compared with."""

from django.urls import path

from bench.peers.views import PeerView, constant
from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as product

__all__ = ["handler400", "handler403", "handler404", "handler500"]

urlpatterns = [
    path("api/v1/bench/constant", constant),
    path("api/v1/bench/customers/<uuid:customer_id>", PeerView.as_view()),
    *product,
]
