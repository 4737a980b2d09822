"""Refusals that an entry point answers a whole request with, and what each code means in HTTP (contract)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

STATUS_OF_CODE: Mapping[str, int] = MappingProxyType(
    {
        "invalid_stage": 400,
        "invalid_request": 400,
        "reason_required": 400,
        "unknown_reason": 400,
        "transition_not_allowed": 400,
        "not_authenticated": 401,
        "permission_denied": 403,
        "actor_mismatch": 403,
        "https_required": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "not_acceptable": 406,
        "request_timeout": 408,
        "conflict": 409,
        "effects_unconfirmed": 409,
        "version_conflict": 412,
        "body_too_large": 413,
        "unsupported_media_type": 415,
        "idempotency_mismatch": 422,
        "rate_limited": 429,
        "internal_error": 500,
        "unavailable": 503,
    }
)


class Refused(Protocol):
    """A refusal as the rules give it: a value with a code."""

    @property
    def code(self) -> str:
        """The contract's code."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """The stages or reasons that would be accepted."""

    @property
    def field(self) -> str | None:
        """The part of the request that is wrong."""

    @property
    def effects(self) -> Sequence[Any] | None:
        """What would be started, if it is not what the caller has confirmed: each with a name and a kind."""


class RequestRefused(Exception):
    """A request is refused with a ``code`` of the contract and a sentence; ``config.errors`` makes it an answer.

    ``errors`` are ``{"pointer", "detail", "code"}`` for each invalid field; ``extra`` further members of the problem,
    such as the present state of a customer; ``headers`` go into the answer as they are.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.code = code
        self.sentence = sentence
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = extra
        super().__init__(sentence)

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS_OF_CODE[self.code]

    @classmethod
    def of(
        cls, refused: Refused, sentence: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> "RequestRefused":
        """The same refusal as an answer to a whole request, in a sentence, with what is ``allowed``, what would be
        started (as counts) and the field that is wrong.
        """
        # A stage that leads nowhere says so: programs look for the stages where a transition is refused.
        if refused.allowed or refused.code == "transition_not_allowed":
            extra.setdefault("allowed", list(refused.allowed))
        if refused.effects is not None:
            counts: Counter[tuple[str, str]] = Counter()
            for effect, count in refused.effects:
                counts[effect.name, effect.kind] += count
            extra["effects"] = [{"name": name, "kind": kind, "count": count} for (name, kind), count in counts.items()]
        errors = []
        if refused.field is not None:
            errors = [{"pointer": f"#/{refused.field}", "detail": sentence, "code": refused.code}]
        return cls(refused.code, sentence, errors=errors, headers=headers, **extra)
