"""How a caller says who they are; drf-spectacular finds these classes by themselves once they are imported."""

from typing import Any, Final

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension

API_KEY: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "c360_sk_...",
    "description": "An API key of a service account, in the same header as an access token. A tenant's admin makes it.",
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token, or an API key in its place."""

    target_class = "tenants.authentication.BearerAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """HTTP bearer, twice."""
        token = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of `POST /api/v1/auth/token`, or of an identity provider of the tenant.",
        }
        return [token, API_KEY]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either of them is enough."""
        return [{name: []} for name in self.name]


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session of the pages."""

    target_class = "tenants.authentication.SessionIdentityAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A cookie; unsafe methods need the CSRF token as well."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the pages; other methods than GET need the header X-CSRFToken as well.",
        }
