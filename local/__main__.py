"""``python -m local <verb>``: see ``VERBS``."""

import os
import signal
import sys
from collections.abc import Callable

from local import browser, check, commands, demo, drill, screenshots, signals, upgrade
from local.guard import Guard
from local.processes import die_with_parent
from local.trouble import CannotStart, StopRequested

Verb = Callable[[Guard, list[str]], int]


def run_kafka_tests(guard: Guard, arguments: list[str]) -> int:
    """Imported when it is asked for: the other verbs run where no package is installed."""
    from local.kafka import verb

    return verb.run_kafka_tests(guard, arguments)


def fetch_kafka(guard: Guard, arguments: list[str]) -> int:
    """Imported when it is asked for, as above."""
    from local.kafka import verb

    return verb.fetch_kafka(guard, arguments)


def run_messages(_: Guard, arguments: list[str]) -> int:
    """Babel and Django's templates are imported for this verb alone."""
    from local.messages import update_messages

    return update_messages(arguments)


def run_sdk(guard: Guard, arguments: list[str]) -> int:
    """The generator's description is read by a package that the other verbs do without."""
    from local.sdk import run_sdk as build

    return build(guard, arguments)


def run_release(guard: Guard, arguments: list[str]) -> int:
    """Installed packages are looked at for this verb alone."""
    from local.release import run_release as build

    return build(guard, arguments)


def run_pooler_tests(guard: Guard, arguments: list[str]) -> int:
    """Isolation and races through a transaction-mode pooler."""
    from local import pgbouncer

    return pgbouncer.run_pooler_tests(guard, arguments)


def run_failover_drill(guard: Guard, arguments: list[str]) -> int:
    """A primary that is killed under load, and its standby promoted."""
    from local import failover

    return failover.run_failover_drill(guard, arguments)


VERBS: dict[str, tuple[Verb, str]] = {
    "demo": (demo.run_demo, "the whole product in the foreground, with demo data kept in .local; PORT=8000"),
    "services": (commands.run_services, "only the services, in the foreground; writes .local/env"),
    "check": (check.run_checks, "every static check"),
    "exec": (commands.run_command, "-- COMMAND ...: run a command on throw-away services"),
    "test": (commands.run_tests, "-- ARGUMENTS ...: pytest on throw-away services"),
    "kafka-test": (
        run_kafka_tests,
        "-- ARGUMENTS ...: tests/messaging and tests/kafka on three brokers of Apache Kafka",
    ),
    "kafka-jars": (fetch_kafka, "fetch Apache Kafka for kafka-test, once; status 69 where that cannot be"),
    "pooler-test": (run_pooler_tests, "-- ARGUMENTS ...: isolation and races with PgBouncer before PostgreSQL"),
    "bench": (commands.run_benchmarks, "-- ARGUMENTS ...: the benchmarks on durable, throw-away services"),
    "restore-drill": (drill.run_restore_drill, "dump, lose, restore and compare an installation; DEMO_CUSTOMERS=200"),
    "upgrade-drill": (upgrade.run_upgrade_drill, "[COMMIT]: roll this commit out over a former one, under load"),
    "failover-drill": (run_failover_drill, "kill PostgreSQL under load, promote its standby, and count"),
    "screenshots": (screenshots.run_screenshots, "the README's pictures of the demo, into docs/images"),
    "messages": (run_messages, "bring the catalogs in locale/ up to the code; --check only looks"),
    "sdk": (run_sdk, "make the Python package for the API, and its wheel in sdk/dist"),
    "release": (run_release, "what an image is made of, with SBOM and licenses, as dist/customer360-VERSION.tar"),
    "browser": (browser.provide_browser, "install chromium for the browser tests, where that is possible"),
    "clean": (commands.remove_data, "remove .local, unless something runs on it"),
}


def main(arguments: list[str]) -> int:
    """Run one verb and return the exit status."""
    if not arguments or arguments[0] not in VERBS:
        print("usage: python -m local VERB [-- ARGUMENTS ...]", file=sys.stderr)
        for name, (_, summary) in VERBS.items():
            print(f"  {name:13} {summary}", file=sys.stderr)
        return 2
    verb, _ = VERBS[arguments[0]]
    rest = arguments[1:]
    if os.environ.pop("MAKELEVEL", ""):  # make itself may be killed without a word
        die_with_parent(signal.SIGTERM)
    guard = Guard()
    signals.install()
    try:
        return verb(guard, rest[1:] if rest[:1] == ["--"] else rest)
    except CannotStart as trouble:
        print(f"{arguments[0]}: {trouble}", file=sys.stderr)
        return trouble.status
    except OSError as trouble:  # a full disk, a folder of another account
        print(f"{arguments[0]}: {trouble.strerror or trouble}: {trouble.filename or 'see above'}", file=sys.stderr)
        return 1
    except StopRequested as request:
        return 128 + request.signum
    finally:
        guard.dismiss()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
