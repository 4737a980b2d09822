"""The secrets that sign webhooks, as Standard Webhooks writes them."""

import base64
import secrets
from typing import Final

PREFIX: Final = "whsec_"
# Of those that others have made; ours have 32.
LENGTHS: Final = range(24, 65)
LENGTH: Final = 32


def make_secret() -> str:
    """A new signing secret: ``whsec_`` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(LENGTH)).decode()


def read_secret(text: str) -> bytes:
    """The key in a secret. Raises ValueError with a sentence."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError("A signing secret is whsec_ and base64.") from None
    if not text.startswith(PREFIX) or len(key) not in LENGTHS:
        raise ValueError("A signing secret is whsec_ and 24 to 64 bytes in base64.")
    return key
