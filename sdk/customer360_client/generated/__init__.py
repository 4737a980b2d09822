"""A client library for accessing Customer 360 Lifecycle Management"""

from .client import AuthenticatedClient, Client

__all__ = (
    "AuthenticatedClient",
    "Client",
)
