"""A request as WSGI describes it (PEP 3333), from how ASGI describes it."""

import sys
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from config.serving.bodies import Scope

CONSTANT = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}
# Headers whose variables have no HTTP_ before them, and those that were dealt with: a body is whole when it gets here.
PLAIN = {b"content-type": "CONTENT_TYPE"}
CONSUMED = frozenset((b"content-length", b"transfer-encoding"))
# So many names of headers are remembered with their variables; clients may make up others.
REMEMBERED = 200
_variables: dict[bytes, str] = dict(PLAIN)


def build_environ(scope: Scope, body: IO[bytes], length: int) -> dict[str, Any]:
    """The environment of a request whose body is ``body``, ``length`` bytes long.

    Headers of one name are joined by commas, cookies by semicolons. A header with an underscore in its name is left
    out: its variable would be the same as that of the name with a hyphen, which a proxy may vouch for.
    """
    environ: dict[str, Any] = CONSTANT | {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REMOTE_ADDR": scope["client"][0],
        "REMOTE_PORT": scope["client"][1],
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
    }
    for name, value in scope["headers"]:
        variable = _variables.get(name) or _variable_of(name)
        if not variable:
            continue
        text = value.decode("latin-1")
        if variable in environ:
            text = f"{environ[variable]}{'; ' if name == b'cookie' else ','}{text}"
        environ[variable] = text
    if length or (b"content-length", b"0") in scope["headers"]:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


def _variable_of(name: bytes) -> str:
    """The variable of a header's name; empty when it has none."""
    if name in CONSUMED or b"_" in name:
        return ""
    variable = "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
    if len(_variables) < REMEMBERED:
        _variables[name] = variable
    return variable
