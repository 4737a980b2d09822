"""A proxy that refuses, breaks, and loses answers: each change is answered 429, 503, not at all, and then well."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


class Unreliable:
    """``url`` leads to the server at ``target``; ``seen``: method and Idempotency-Key of each change that came."""

    def __init__(self, target: str) -> None:
        self.seen: list[tuple[str, str | None]] = []
        self._target = target
        # What it loses it loses on purpose, and not because the server is slow on a busy machine.
        self._upstream = httpx.Client(timeout=600)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def answer(self) -> None:
                proxy._answer(self)

            do_GET = do_PATCH = do_POST = answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Unreliable":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._upstream.close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        is_change = request.command != "GET"
        if is_change:
            self.seen.append((request.command, request.headers.get("Idempotency-Key")))
        number = sum(method == request.command for method, _ in self.seen)
        if request.command == "PATCH" and number <= 2:
            request.send_response((429, 503)[number - 1])
            request.send_header("Retry-After", "0")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
        answer = self._upstream.request(request.command, self._target + request.path, headers=headers, content=body)
        if is_change and number != 4:
            # Done, and not heard of.
            request.close_connection = True
            request.connection.close()
            return
        request.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "content-encoding", "transfer-encoding", "connection"):
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer.content)))
        request.end_headers()
        request.wfile.write(answer.content)
