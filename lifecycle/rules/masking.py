"""How personal details look to people who may know of them but not use them."""

from typing import Final

HIDDEN: Final = "•••"
_SHOWN_DIGITS: Final = 2


def mask_email(address: str | None) -> str | None:
    """The first letter and the domain: ``z•••@acme.example``."""
    if not address:
        return address
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}{HIDDEN}{at}{domain}" if local else HIDDEN


def mask_phone(number: str | None) -> str | None:
    """The last two digits: ``••• 01``. Nothing of a number so short that they would be most of it."""
    if not number:
        return number
    digits = "".join(sign for sign in number if sign.isdigit())
    return f"{HIDDEN} {digits[-_SHOWN_DIGITS:]}" if len(digits) > 2 * _SHOWN_DIGITS else HIDDEN
