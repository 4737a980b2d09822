# Everything runs from .venv, which is made here. Needs Python 3.11 or newer and make, nothing else.
.DEFAULT_GOAL := help
.PHONY: help demo test check bench kafka-test pooler-test chaos chaos-effects load restore-drill failover-drill move-drill upgrade-drill screenshots format openapi messages sdk release clean

# What was compiled with the profile of a run takes a tenth less of the processor than what was not, as pyenv's is not
# unless it was asked for. A system's own is, and not every one says so.
SYSTEM_PYTHON := /usr/bin/python3
NEW := sys.version_info >= (3, 11)
CAN := import sys, sysconfig, ensurepip, venv; $(NEW)
FAST := "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
PYTHON ?= $(firstword \
	$(shell python3 -c '$(CAN) and $(FAST) and print("python3")' 2>/dev/null) \
	$(shell $(SYSTEM_PYTHON) -c '$(CAN) and print("$(SYSTEM_PYTHON)")' 2>/dev/null) \
	$(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; $(NEW) and print("$(name)")' 2>/dev/null)))
LOCAL := exec .venv/bin/python -m local
INSTALLED := .venv/requirements-dev.txt

help: ## this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile

demo: $(INSTALLED) ## the whole product in the foreground with demo data (PORT=8000 DEMO_CUSTOMERS=2000 DEMO_EVENTS=6)
	@$(LOCAL) demo

test: $(INSTALLED) ## the whole test suite on throw-away services (ARGS="tests/api -q" for a part)
	@.venv/bin/python -m local browser
	@$(LOCAL) test -- --numprocesses auto $(ARGS)

check: $(INSTALLED) ## format, lint, types, import contracts, migrations, deploy check, OpenAPI drift
	@$(LOCAL) check

bench: $(INSTALLED) ## the benchmarks, each beside its limit and its peer (ARGS=... for a part)
	@$(LOCAL) bench -- $(ARGS)

kafka-test: $(INSTALLED) ## the tests of the events on three brokers of Apache Kafka (needs Java 17 and Maven; ARGS="-k relay" for a part)
	@$(LOCAL) kafka-test -- $(ARGS)

pooler-test: $(INSTALLED) ## isolation and races with PgBouncer before PostgreSQL (needs Debian's pgbouncer)
	@$(LOCAL) pooler-test -- $(ARGS)

chaos: $(INSTALLED) ## kill, cut and restart what the events need, for minutes, and count (ARGS="--mutants" to doubt it)
	@exec .venv/bin/python -m tests.messaging.chaos $(ARGS)

chaos-effects: $(INSTALLED) ## kill what delivers effects at every step while servers misbehave, and count (ARGS="--mutants")
	@exec .venv/bin/python -m tests.delivery.chaos $(ARGS)

load: $(INSTALLED) ## 50 clients on two hosts for ten minutes while everything fails in turn, and count (as root: network namespaces; ARGS="--mutants")
	@exec .venv/bin/python -m tests.load $(ARGS)

restore-drill: $(INSTALLED) ## back up, lose and restore an installation with data, and compare (DEMO_CUSTOMERS=200)
	@$(LOCAL) restore-drill

upgrade-drill: $(INSTALLED) ## roll this commit out over a former release, under load, and count (ARGS=COMMIT; else over itself with a migration)
	@$(LOCAL) upgrade-drill $(ARGS)

move-drill: $(INSTALLED) ## move a tenant to another server and back under load, kill -9 at every step, and count
	@exec .venv/bin/python -m tests.moving $(ARGS)

failover-drill: $(INSTALLED) ## kill PostgreSQL under load, promote its standby, and count what was lost (DEMO_CUSTOMERS=200)
	@$(LOCAL) failover-drill

screenshots: $(INSTALLED) ## take the README's pictures of the demo again (needs Chromium)
	@.venv/bin/python -m local browser
	@$(LOCAL) screenshots

format: $(INSTALLED) ## bring code and templates into shape
	@.venv/bin/python -m ruff check --fix-only --quiet .
	@.venv/bin/python -m ruff format .
	@find templates -name '*.html' -exec .venv/bin/djade --target-version 5.2 {} +

openapi: $(INSTALLED) ## write docs/openapi.yaml again
	@$(LOCAL) exec -- .venv/bin/python manage.py spectacular --fail-on-warn --validate --file docs/openapi.yaml

messages: $(INSTALLED) ## bring the catalogs of the languages (locale/) up to the code
	@$(LOCAL) messages

sdk: $(INSTALLED) ## the Python package for the API, made of docs/openapi.yaml: sdk/dist/*.whl
	@$(LOCAL) sdk

release: $(INSTALLED) ## what an image is made of, the same bytes each time: dist/customer360-*.tar, with SBOM and licenses
	@$(LOCAL) release

clean: ## remove .venv, the demo's data and every cache
	@test ! -d .local || $(PYTHON) -m local clean
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The copy of the requirements says what is installed. Only ready-made wheels are taken, so no compiler is needed.
$(INSTALLED): requirements-dev.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: Python 3.11 or newer is needed, and $(or $(PYTHON),python3) is not that; name one:" \
		"make PYTHON=python3.12" >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { \
		echo "make: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install python3-venv" >&2; exit 1; }
	@echo "installing the pinned requirements into .venv"
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes \
		--only-binary :all: -r requirements-dev.txt || { \
		echo "make: the pinned requirements cannot be installed (pip says why above): is the package registry in" \
		"reach, and has it ready-made wheels for this platform? Then run make again" >&2; exit 1; }
	@cp requirements-dev.txt $@
