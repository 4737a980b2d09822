"""What is made of the header Accept."""

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """DRF's; an Accept that names nothing asks for nothing, as none at all (RFC 9110, section 12.5.1)."""

    def get_accept_list(self, request: Request) -> list[str]:
        """The media types that Accept names."""
        return super().get_accept_list(request) or (["*/*"] if _is_empty(request.META.get("HTTP_ACCEPT", "")) else [])


def _is_empty(header: str) -> bool:
    """Whether a header that is a list has no member."""
    return not header.strip(", \t")
