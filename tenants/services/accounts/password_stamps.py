"""A short mark of what opens an account: it changes with the password and with each log-out everywhere."""

from django.utils.crypto import salted_hmac

from tenants.models import User

STAMP_BYTES = 16


def password_stamp(user: User) -> bytes:
    """The keyed hash, 16 bytes, of the user's encoded password and log-outs. It tells nothing about either."""
    opens = f"{user.password}:{user.logouts}" if user.logouts else user.password
    return salted_hmac("tenants.password_stamp", opens, algorithm="sha256").digest()[:STAMP_BYTES]
