"""The demo's mail server: a real one (aiosmtpd), which keeps each mail as a file and sends none on.

``python -m local.mail --port 2525 --folder .local/mail``
"""

import argparse
import asyncio
import signal
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

MOST_KEPT: Final = 500
LARGEST_BYTES: Final = 4 * 1024 * 1024


class Keeper:
    """aiosmtpd's handler: a mail is a file, whole or not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        """Keep it. The names are in the order of arrival."""
        file = self.folder / f"{time.time_ns():020d}-{uuid4().hex[:8]}.eml"
        unfinished = file.with_suffix(".part")
        unfinished.write_bytes(envelope.content)
        unfinished.replace(file)
        for old in sorted(self.folder.glob("*.eml"))[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
        return "250 kept"


async def serve(port: int, folder: Path) -> None:
    """Take mail until SIGTERM."""
    from aiosmtpd.smtp import SMTP  # a development requirement: not there when this module is only looked at

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    folder.mkdir(parents=True, exist_ok=True)
    server = await loop.create_server(
        lambda: SMTP(Keeper(folder), data_size_limit=LARGEST_BYTES, loop=loop), "127.0.0.1", port
    )
    print(f"mail server at 127.0.0.1:{port}, mail in {folder}", flush=True)
    async with server:
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Take mail and keep it as files.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.folder))
