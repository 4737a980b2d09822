"""Pages, styles and scripts of a development server, compressed as the proxy of production compresses them."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_TYPES: Final = ("text/html", "text/css", "text/javascript", "application/javascript")


class CompressPages(GZipMiddleware):
    """Gzip for what a browser reads as a page; with up to a hundred random bytes, as Django adds against BREACH.

    Everything else is left as it is: the API, whose entity tags would change, files that are exported as a stream,
    parts of a file, and answers without a body. Production does not load it: the proxy compresses there, outside of
    Python.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        """Compress a page or one of its own files for a browser that takes it."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if request.method != "GET" or response.status_code in (204, 206, 304) or kind not in _TYPES:
            return response
        tag = response.headers.get("ETag")
        compressed = super().process_response(request, response)
        if tag:
            # As WhiteNoise gives it in production for each coding of a file: it compares what comes back with its own.
            compressed.headers["ETag"] = tag
        return compressed
