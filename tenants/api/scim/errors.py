"""Refusals as SCIM writes them (RFC 7644, section 3.12)."""

from typing import Any, Final

ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimRefused(Exception):
    """Nothing was changed. ``kind`` is the RFC's scimType, or empty where it has none."""

    def __init__(self, status: int, sentence: str, kind: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind


def error_body(status: int, sentence: str, kind: str = "") -> dict[str, Any]:
    """The body of a refusal."""
    return {
        "schemas": [ERROR],
        "status": str(status),
        **({"scimType": kind} if kind else {}),
        "detail": sentence,
    }
