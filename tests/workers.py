"""Tests side by side: what each worker of pytest-xdist has for itself. Which tests it gets says ``tests.schedule``.

Each worker, and a run without workers, has a database of its own, copied from one that the first to need it migrates,
and a Redis database of its own. The roles of the cluster and the Kafka broker are shared: a test takes topics that
only it knows.
"""

import contextlib
import gc
import importlib
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
import structlog
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from hypothesis.internal.constants_ast import constants_from_module, is_local_module_file
from psycopg import sql
from xdist.scheduler import LoadScopeScheduling

from config import processes
from tenants.services import database as provisioning
from tests.schedule import FIRST, ByFile, count_processors, turn

# What hangs, wherever these hooks are used.
pytest_plugins = ["tests.hanging"]

MOST_WORKERS = 6
# What is said of today must not be asked tomorrow, and what was counted in an hour not in the next one: hardly a test
# with days or hours in it takes longer than this.
HOUR, DAY = 3_600.0, 86_400.0
BEFORE = {HOUR: 30.0, DAY: 90.0}
# Two dozen who want the same row wait for as many turns, which take a busy machine longer than production waits.
PATIENT = {
    "lock_timeout": 120,
    "statement_timeout": 240,
    "idle_in_transaction_session_timeout": 240,
    "transaction_timeout": 600,
}
CONNECT_SECONDS = 30
# So many more things are made than go until they are looked through for garbage.
THINGS_BETWEEN_LOOKS = 20_000
# Any number that nothing else locks; it holds on the whole cluster, as every session locks it in the same database.
MIGRATING = 360_001

# In the place of a report that no one reads.
UNUSED = "unused"

RUN = pytest.StashKey[str]()
NOT_RUN = pytest.StashKey[str]()
STATE = pytest.StashKey[dict[str, Any]]()


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of several workers, and not the one that the person started."""
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """Databases of a run have its name, so that two runs on one cluster do not take each other's away."""
    workerinput = getattr(config, "workerinput", {})
    config.stash[RUN] = workerinput.get("run") or f"c360_test_{uuid4().hex[:12]}"
    for plugin in config.pluginmanager.get_plugins() if is_worker(config) else ():
        if hasattr(plugin, "sendevent"):
            plugin.sendevent = _only_what_is_used(plugin.sendevent)


def _only_what_is_used(send: Callable[..., None]) -> Callable[..., None]:
    """What a worker says to the process that speaks to the person. That a test begins is shown by none of them."""

    def sendevent(name: str, **values: Any) -> None:
        if name != "logstart" and not values.get("data", {}).get(UNUSED):
            send(name, **values)

    return sendevent


@pytest.hookimpl(tryfirst=True)
def pytest_report_to_serializable(config: pytest.Config, report: Any) -> dict[str, Any] | None:
    """Of what passed around a test only how long it took could be shown, where a person wants to know that."""
    around = isinstance(report, pytest.TestReport) and report.passed and report.when != "call"
    asked = config.option.verbose > 0 or config.option.durations is not None or config.option.xmlpath
    return {UNUSED: True} if around and not asked else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three more than there are processors, for tests that wait: the others keep the processors busy beside them."""
    return min(MOST_WORKERS, count_processors() + 3)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker, also one that replaces another, the name of the run."""
    node.workerinput["run"] = node.config.stash[RUN]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list[Any]) -> None:
    """Each worker has a Redis database of its own, beside that of the run without workers."""
    for number, spec in enumerate(specs, start=1):
        spec.env["REDIS_URL"] = urlsplit(os.environ["REDIS_URL"])._replace(path=f"/{number}").geturl()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Whatever ``--dist`` says: files that are torn apart would make their fixtures again on each worker."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Whatever is loaded here stays until the end: looking through it again and again for garbage finds none. Nor does
    looking after each 700 things that are made: most of them are still used by the request at hand.
    """
    gc.disable()
    try:
        _share_compiling(session.config)
        yield
    finally:
        gc.freeze()
        gc.set_threshold(THINGS_BETWEEN_LOOKS, *gc.get_threshold()[1:])
        gc.enable()


def _share_compiling(config: pytest.Config) -> None:
    """Import the files of the whole suite, each worker from another one on. What one of them has compiled the others
    read; side by side each would compile all, seconds of it in a fresh checkout. The same of the constants that
    Hypothesis looks for in all code. What cannot be imported is left for the collection, which says why.
    """
    paths = config.getini("testpaths")
    if not is_worker(config) or [Path(arg).resolve() for arg in config.args] != [
        config.rootpath / one for one in paths
    ]:
        return
    workerinput = config.workerinput  # type: ignore[attr-defined]
    place = int(workerinput["workerid"].removeprefix("gw")), workerinput["workercount"]
    files = sorted(file for one in paths for file in (config.rootpath / one).rglob("test_*.py"))
    for file in turn(files, *place):
        with contextlib.suppress(Exception, pytest.fail.Exception, pytest.skip.Exception), warnings.catch_warnings():
            warnings.simplefilter("error")
            importlib.import_module(".".join(file.relative_to(config.rootpath).with_suffix("").parts))
    for module in turn(_modules_of_the_product(), *place):
        constants_from_module(module)


def _modules_of_the_product() -> list[ModuleType]:
    """Those of which Hypothesis will have the constants: it keeps what it found in each of them for other processes."""
    found = [one for one in list(sys.modules.values()) if is_local_module_file(getattr(one, "__file__", None) or "")]
    return sorted(found, key=lambda one: one.__name__)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring what takes longest to the front; the rest keeps its order."""
    items.sort(key=lambda item: [not item.nodeid.startswith(prefix) for prefix in FIRST])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """See what is the whole process's, before any fixture. No test begins on one day, or in one hour, and looks in the
    next.
    """
    if pause := pause_before(time.time()):
        time.sleep(pause)
    item.stash[STATE] = _state_of_process()
    yield


def pause_before(now: float) -> float:
    """How long a test waits: until the next hour or midnight of UTC, by which the product counts, if that is near."""
    left = {period: period - now % period for period in BEFORE}
    return next((seconds + 0.1 for period, seconds in left.items() if seconds < BEFORE[period]), 0.0)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """After all fixtures: a test that leaves it otherwise to later ones is at fault."""
    yield
    left = [name for name, state in _state_of_process().items() if state != item.stash[STATE][name]]
    assert not left, f"the test left another {', '.join(left)}"


# Of pytest, and of the browser's tests as long as their browser lives (tests/browser/conftest.py).
BESIDE_TESTS = ("PYTEST_CURRENT_TEST", "DJANGO_ALLOW_ASYNC_UNSAFE")


def _state_of_process() -> dict[str, Any]:
    return {
        "environment": {name: value for name, value in os.environ.items() if name not in BESIDE_TESTS},
        "signal handler": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "working directory": Path.cwd(),
        "process name": processes._process,
        "structlog configuration": structlog.get_config()["processors"],
        "log level": logging.getLogger().level,
    }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """What a worker could not run is said by the one who speaks to the person."""
    if reason := getattr(node, "workeroutput", {}).get("not_run"):
        node.config.stash[NOT_RUN] = reason


def note_not_run(config: pytest.Config, reason: str) -> None:
    """Have ``reason`` said at the end of the run, by whatever process says things."""
    config.stash[NOT_RUN] = reason
    if is_worker(config):
        config.workeroutput["not_run"] = reason  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> Iterator[None]:
    """Say it again at the very end, where no one can miss it."""
    yield
    if reason := config.stash.get(NOT_RUN, ""):
        terminalreporter.section("browser tests", sep="!", red=True)
        terminalreporter.line(reason, red=True)


def make_database(config: pytest.Config) -> str:
    """A migrated database for this process alone; its name."""
    run = config.stash[RUN]
    template, name = f"{run}_template", f"{run}_{os.getpid()}"
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        # Ends with the connection: a worker that dies keeps no one from going on.
        admin.execute("SELECT pg_advisory_lock(%s)", [MIGRATING])
        ready = admin.execute("SELECT datistemplate FROM pg_database WHERE datname = %s", [template]).fetchone()
        if ready is None or not ready[0]:
            _make_template(admin, template)
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        provisioning.ensure_database(admin, name)
        for role in (provisioning.APP, provisioning.PLATFORM, provisioning.RELAY):
            for limit, seconds in PATIENT.items():
                admin.execute(
                    sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                        sql.Identifier(role), sql.Identifier(name), sql.Identifier(limit), sql.Literal(f"{seconds}s")
                    )
                )
    return name


def use_database(name: str) -> None:
    """Lead every connection of this process there.

    Sixty-four who connect at once take a busy machine longer than the seconds after which production looks for another
    server.
    """
    for alias in connections:
        connections[alias].close()
        about = connections[alias].settings_dict
        about["NAME"] = name
        about["OPTIONS"] = {**about["OPTIONS"], "connect_timeout": CONNECT_SECONDS}


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[None]:
    """The roles, and a migrated database for this process alone. It goes away with the run."""
    with django_db_blocker.unblock():
        use_database(make_database(request.config))
    yield
    with django_db_blocker.unblock():
        for alias in connections:
            connections[alias].close()


def _make_template(admin: psycopg.Connection, name: str) -> None:
    call_command("provision_database", verbosity=0)
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    provisioning.ensure_database(admin, name)
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True) as inside:
        provisioning.prepare_schema(inside)
    use_database(name)
    call_command("migrate", verbosity=0)
    use_database("postgres")
    admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(name)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Of what passed no one reads the log and the names it has: a worker would send them each time, three times a
    test.
    """
    report: Any = yield
    if report.passed and is_worker(item.config):
        report.sections, report.keywords = [], {}
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove every database of the run, also those of workers that were ended."""
    # Pytest looks for garbage five times at the end, for warnings that are ignored here, and Python twice.
    gc.freeze()
    if is_worker(session.config) or not getattr(settings, "DATABASE_ADMIN_URL", ""):
        return
    run = session.config.stash[RUN]
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        names = admin.execute("SELECT datname, datistemplate FROM pg_database WHERE starts_with(datname, %s)", [run])
        for name, is_template in names.fetchall():
            if is_template:
                admin.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
