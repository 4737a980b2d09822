"""The environment, read once and judged whole: what is missing is told in one line, all at once."""

import base64
import binascii
import sys
from collections.abc import Mapping
from typing import NoReturn

from environs import Env, EnvError

KEY_BYTES = 32


def stop_start(message: str) -> NoReturn:
    """End the process with one clear line (exit status 78, EX_CONFIG) instead of a traceback."""
    sys.stderr.write(f"configuration error: {message}\n")
    raise SystemExit(78)


def read_key(name: str, text: str) -> bytes:
    """Decode one base64 key of exactly 32 bytes (AES-256, HMAC-SHA256).

    Raises EnvError when the text is not base64 or has another length.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EnvError(f"{name} is not valid base64") from error
    if len(key) != KEY_BYTES:
        raise EnvError(f"{name} holds {len(key)} bytes; {KEY_BYTES} are needed")
    return key


def read_keyring(name: str, text: str) -> Mapping[int, bytes]:
    """Decode ``kid:base64[,kid:base64...]``, newest key first, into an ordered mapping kid -> 32 bytes.

    A key id is a whole number from 1 to 65535. Raises EnvError naming the part that is wrong.
    """
    keys: dict[int, bytes] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        number, separator, encoded = part.partition(":")
        if not separator or not number.isdigit() or not 1 <= int(number) <= 65535:
            raise EnvError(f"{name} wants kid:base64 with a kid from 1 to 65535")
        if int(number) in keys:
            raise EnvError(f"{name} names key id {number} twice")
        keys[int(number)] = read_key(f"{name} key {number}", encoded)
    if not keys:
        raise EnvError(f"{name} holds no key")
    return keys


def build_env() -> Env:
    """An environs reader that collects every fault until ``seal``."""
    return Env(eager=False)
