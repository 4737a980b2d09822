"""Starts consumers and relays by forking a process that has loaded Django: a kill costs no second of importing.

Reads one JSON command a line from standard input and answers each with one line:
``{"start": [command, ...], "log": path, "fuse": [point, passages], "mutant": name, "patch": "module:function"}`` ->
process id;
``{"wait": pid}`` -> exit status, negative for a signal.
"""

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import django

from local.processes import die_with_parent


def main() -> None:
    django.setup()
    # Everything a worker needs is imported before the first fork.
    import lifecycle.management.commands.consume_events
    import lifecycle.management.commands.relay_events
    import lifecycle.management.commands.run_effects  # noqa: F401

    # As in a process of its own (OperatorCommand.run_from_argv): no worker looks through, and copies, what all share.
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer("ready")
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            _, status = os.waitpid(command["wait"], 0)
            answer(os.waitstatus_to_exitcode(status))
            continue
        parent = os.getpid()
        # Who is asked to end before its command listens has begun nothing, and ends as asked.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            die_with_parent(signal.SIGKILL, parent=parent)
            work(command)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        answer(pid)


def answer(word: object) -> None:
    """One line to the harness."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def work(command: dict[str, Any]) -> None:
    """Be a worker: never returns."""
    from django.core.management import call_command

    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    status = 1
    try:
        if command.get("mutant"):
            from tests.messaging.chaos.mutants import MUTANTS

            MUTANTS[command["mutant"]]()
        if command.get("patch"):
            module, _, function = command["patch"].partition(":")
            getattr(import_module(module), function)()
        if command.get("fuse"):
            light(*command["fuse"])
        call_command(*command["start"])
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def light(point: str, passages: int) -> None:
    """Kill this process with SIGKILL at its n-th passage through a point."""
    left = passages

    def burn() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    owner, name, before = POINTS[point]()
    inner: Callable[..., Any] = getattr(owner, name)

    def passing(*args: Any, **options: Any) -> Any:
        if before:
            burn()
        result = inner(*args, **options)
        if not before:
            burn()
        return result

    setattr(owner, name, passing)


def _inbox_settle() -> tuple[Any, str, bool]:
    from lifecycle.services.events import inbox

    return inbox, "settle", False


def _process_events() -> tuple[Any, str, bool]:
    from lifecycle.messaging import batch_processing

    return batch_processing, "process_events", False


def _read() -> tuple[Any, str, bool]:
    from lifecycle.messaging.batch_processing import BatchProcessor

    return BatchProcessor, "step", True


def _commit() -> tuple[Any, str, bool]:
    from lifecycle.messaging.consumer import EventConsumer

    return EventConsumer, "_commit", False


def _before_mark() -> tuple[Any, str, bool]:
    from lifecycle.services.events import outbox

    return outbox, "mark_published", True


def _after_mark() -> tuple[Any, str, bool]:
    from lifecycle.services.events import outbox

    return outbox, "mark_published", False


def _after_fetch() -> tuple[Any, str, bool]:
    from lifecycle.services.events import outbox

    return outbox, "fetch_pending", False


def _claim() -> tuple[Any, str, bool]:
    from lifecycle.delivery import worker

    return worker, "claim", False


def _before_hand_over() -> tuple[Any, str, bool]:
    from lifecycle.delivery import senders

    return senders, "hand_over", True


def _after_hand_over() -> tuple[Any, str, bool]:
    from lifecycle.delivery import senders

    return senders, "hand_over", False


def _after_mail() -> tuple[Any, str, bool]:
    from lifecycle.delivery import senders

    return senders, "send_mail", False


def _before_webhook() -> tuple[Any, str, bool]:
    from lifecycle.delivery import senders

    return senders, "send_webhook", True


def _after_webhook() -> tuple[Any, str, bool]:
    from lifecycle.delivery import senders

    return senders, "send_webhook", False


def _before_finish() -> tuple[Any, str, bool]:
    from lifecycle.delivery import worker

    return worker, "finish", True


def _after_finish() -> tuple[Any, str, bool]:
    from lifecycle.delivery import worker

    return worker, "finish", False


POINTS: dict[str, Callable[[], tuple[Any, str, bool]]] = {
    "consumer: polled, nothing done": _read,
    "consumer: before the database commits": _inbox_settle,
    "consumer: committed, offsets not": _process_events,
    "consumer: offsets committed": _commit,
    "relay: fetched, not sent": _after_fetch,
    "relay: delivered, not marked": _before_mark,
    "relay: marked": _after_mark,
    "effects: claimed, nothing done": _claim,
    "effects: mail not handed over": _before_hand_over,
    "effects: mail handed over, not sent": _after_hand_over,
    "effects: mail sent, not noted": _after_mail,
    "effects: webhook not sent": _before_webhook,
    "effects: webhook sent, not noted": _after_webhook,
    "effects: delivered, not noted": _before_finish,
    "effects: noted": _after_finish,
}


if __name__ == "__main__":
    main()
