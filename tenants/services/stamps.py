"""A short mark of a password hash: it changes when the password does, and tells nothing about it."""

from django.utils.crypto import salted_hmac

STAMP_BYTES = 16


def password_stamp(encoded_password: str) -> bytes:
    """The keyed hash, 16 bytes, of a user's encoded password."""
    return salted_hmac("tenants.password_stamp", encoded_password, algorithm="sha256").digest()[:STAMP_BYTES]
