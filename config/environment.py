"""The environment, read once and judged whole: what is missing or malformed is said in one line, all at once."""

import base64
import binascii
import ipaddress
import logging.config
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

from environs import Env, EnvError, ValidationError, validate
from redis.connection import parse_url

from config.logging import build_logging
from config.processes import is_service

KEY_BYTES = 32
# What environs takes for true.
ENV_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
# A host as ALLOWED_HOSTS takes it: a name, ".example.com" for all names below, an address, or "*".
HOST = re.compile(r"\*|\.?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")
MAIL_SCHEMES = ("smtp", "smtps", "submission")
SENDER = re.compile(r"[^<>@\s]+@[^<>@\s]+|[^<>@\r\n]+ <[^<>@\s]+@[^<>@\s]+>")
SERVER = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")


def stop_start(message: str) -> NoReturn:
    """End the process with one clear line (exit status 78, EX_CONFIG) instead of a traceback.

    A process of the product writes it as it writes everything else, for who collects its log; plain text is for a
    person: at a terminal, in development, and of a command that a person runs.
    """
    text = f"configuration error: {message}"
    if sys.stderr.isatty() or not is_service() or _is_development():
        sys.stderr.write(f"{text}\n")
    else:
        # The settings that say how are not there yet.
        logging.config.dictConfig(build_logging(level="INFO", log_format="ecs"))
        logging.getLogger("config").critical(text)
    raise SystemExit(78)


def _is_development() -> bool:
    format_, debug = (os.environ.get(name, "").strip().lower() for name in ("LOG_FORMAT", "DEBUG"))
    return format_ == "console" or (format_ != "ecs" and debug in ENV_TRUE)


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


def read_networks(name: str, texts: list[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Addresses and networks, as ``10.0.0.2`` or ``10.0.0.0/8``. Raises EnvError naming the one that is neither."""
    networks = []
    for text in filter(None, map(str.strip, texts)):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise EnvError(f"{name} wants addresses or networks like 10.0.0.0/8; {text!r} is neither") from error
    return tuple(networks)


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
    """An environs reader that collects every error until ``seal``."""
    return Env(eager=False)


def not_empty(text: str) -> None:
    """A validator: an empty value is as good as none. Raises ValidationError."""
    if not text.strip():
        raise ValidationError("is empty.")


def between(least: int, most: int) -> validate.Range:
    """A validator of whole numbers."""
    return validate.Range(least, most, error="must be from {min} to {max}, not {input}.")


def one_of(*choices: str) -> validate.OneOf:
    """A validator of a few words."""
    return validate.OneOf(choices, error="must be one of {choices}, not {input!r}.")


def redis_address(text: str) -> None:
    """A validator of ``redis://``, ``rediss://`` and ``unix://`` addresses. Raises ValidationError."""
    not_empty(text)
    try:
        parse_url(text)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ValidationError(f"is not a Redis address: {error}") from error


def kafka_servers(text: str) -> None:
    """A validator of ``host:port[,host:port...]``. Raises ValidationError."""
    not_empty(text)
    for piece in text.split(","):
        found = SERVER.fullmatch(piece.strip())
        if not found or not 1 <= int(found[1]) <= 65535:
            raise ValidationError(f"wants host:port, separated by commas, not {piece.strip()!r}.")


def host_names(names: list[str]) -> None:
    """A validator of ALLOWED_HOSTS. Raises ValidationError."""
    if not any(name.strip() for name in names):
        raise ValidationError("is empty.")
    for name in names:
        if not HOST.fullmatch(name):
            raise ValidationError(f"wants names without scheme, port or spaces, separated by commas, not {name!r}.")


def origins(texts: list[str]) -> None:
    """A validator of ``https://name[:port]``. Raises ValidationError."""
    for text in texts:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.netloc or text != f"{parts.scheme}://{parts.netloc}":
            raise ValidationError(f"wants https://name, separated by commas, not {text!r}.")


def path_or_address(text: str) -> None:
    """A validator of a path of this site, or an address of another. Raises ValidationError."""
    if not text.startswith(("/", "http://", "https://")) or text.strip() != text:
        raise ValidationError(f"must begin with / or https://, not {text!r}.")


def json_object(value: object) -> None:
    """A validator of a JSON object. Raises ValidationError."""
    if not isinstance(value, dict):
        raise ValidationError("must be a JSON object, for example {}.")


def split_hosts(url: str) -> tuple[str, str, str]:
    """A database address that names several servers, ``postgres://role:password@one:5432,two:5432/name``: the same
    address with the first of them alone, and all hosts and ports as libpq takes them; '' for those of a single server.
    """
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    login, at, servers = authority.rpartition("@")
    names = servers.split(",")
    if len(names) == 1:
        return url, "", ""
    # An IPv6 address is in brackets, which hold colons.
    pairs = [name.rpartition(":") if SERVER.fullmatch(name) else (name, "", "5432") for name in names]
    hosts = ",".join(host.strip("[]") for host, _, _ in pairs)
    return f"{scheme}://{login}{at}{names[0]}{slash}{path}", hosts, ",".join(port for _, _, port in pairs)


def site_address(text: str) -> None:
    """A validator of ``https://name[:port]``, one of it. Raises ValidationError."""
    if text:
        origins([text])


def read_email_url(name: str, text: str) -> Mapping[str, Any]:
    """Django's EMAIL settings from ``smtp://user:password@host:587?tls=true``; no host without a text.

    ``smtp`` is plain or, with ``tls=true``, encrypted by STARTTLS; ``submission`` is STARTTLS on port 587, ``smtps`` is
    TLS from the first byte on port 465 (as ``ssl=true``). Certificates are always checked. Raises EnvError.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
        asked = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise EnvError(f"{name} is not a URL, or its port is not a number") from error
    switches = {key: value.lower() for key, value in asked.items()}
    wrong = (
        (parts.scheme not in MAIL_SCHEMES and "must begin with smtp://, smtps:// or submission://")
        or (not parts.hostname and "names no host")
        or (parts.path.strip("/") and "takes no path")
        or (switches.keys() - {"tls", "ssl"} and f"takes tls=true or ssl=true and not {sorted(switches)}")
        or (set(switches.values()) - {"true", "false"} and "takes true or false for tls and ssl")
        or ((parts.username is None) != (parts.password is None) and "wants a user and a password, or neither")
    )
    if text and wrong:
        raise EnvError(f"{name} {wrong}, for example smtp://user:password@mail.example.com:587?tls=true")
    implicit = parts.scheme == "smtps" or switches.get("ssl") == "true"
    starttls = not implicit and (parts.scheme == "submission" or switches.get("tls") == "true")
    return {
        "EMAIL_HOST": parts.hostname or "",
        "EMAIL_PORT": port or (465 if implicit else 587 if starttls else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": starttls,
        "EMAIL_USE_SSL": implicit,
    }


def choose_site(given: str, *, origins: Sequence[str], hosts: Sequence[str]) -> str:
    """Where links in mails lead: the address that is given, else the first that pages are served under; '' for none."""
    named = [host for host in hosts if host != "*" and not host.startswith(".")]
    return given or next(iter(origins), "") or (f"https://{named[0]}" if named else "")


def sender_address(text: str) -> None:
    """A validator of ``name@example.com`` or ``Name <name@example.com>``. Raises ValidationError."""
    if text and not SENDER.fullmatch(text):
        raise ValidationError(f"wants name@example.com or Name <name@example.com>, not {text!r}.")


def mail_domain(site: str) -> str:
    """The domain of a site's own mail addresses: its name, or localhost where it has none."""
    host = urlsplit(site).hostname or ""
    return host if re.search(r"[a-z]", host) and ":" not in host else "localhost"
