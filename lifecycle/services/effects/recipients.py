"""Recipients as those see them who may not see contact details."""


def mask_recipient(recipient: str) -> str:
    """``b***@acme.example`` for an address; references stay as they are."""
    name, at, host = recipient.rpartition("@")
    return f"{name[:1]}***@{host}" if at else recipient
