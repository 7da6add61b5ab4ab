# Every target sets up what it needs: a fresh machine with python3 (3.11 or newer), make and git is enough.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
PIP_FLAGS := --quiet --disable-pip-version-check --require-hashes
PYTEST_FLAGS ?=
FUZZ_SECONDS ?= 600
# Where tests keep their stores: in memory where there is room, since a disk that stalls for seconds (as that of a busy
# build machine does) is answered by 503, as it should be. Kills lose nothing there either; `make faults` stays on the disk.
TEST_TMPDIR ?= $(shell room=$$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 {print $$4}'); if [ "$${room:-0}" -gt 6291456 ] && [ -w /dev/shm ]; then echo /dev/shm; else echo "$${TMPDIR:-/tmp}"; fi)
TESTS = TMPDIR=$(TEST_TMPDIR) .venv-test/bin/python -m pytest
# What `make test` runs once more without hyperscan; tests/redactors compare both engines anyway.
FALLBACK_SHORT := tests/redactors/test_stream.py tests/redactors/test_spelled.py tests/redactors/test_blocks.py tests/redactors/test_structure.py tests/redactors/test_api.py tests/redactors/detectors tests/pipeline/cli/test_redact.py tests/walks/test_redact.py

.PHONY: help evaluation up demo test lint check-python bench fallback faults fuzz walks docs lock clean clients backend peers canary

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

up: .venv/share/lockgate/rules.db ## Start gateway and dashboard with examples/quickstart.yaml; data stays in .lockgate/
	@exec .venv/bin/lockgate up

demo: .venv/share/lockgate/rules.db ## The same in a temporary folder that is removed afterwards
	@exec .venv/bin/lockgate demo

test: lint .venv-test/.installed clients backend ## Everything: lint, types, layers, unit tests, walks with real clients
	@.venv-test/bin/python -m pipeline.bootstrap.rules_cache
	@$(TESTS) tests --ignore=tests/benchmarks -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)
	@LOCKGATE_TEST_ENGINE=fallback $(TESTS) $(FALLBACK_SHORT) -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

fallback: .venv-test/.installed clients backend ## All tests where hyperscan cannot be imported, so that the fallback engine does the work
	@LOCKGATE_TEST_ENGINE=fallback $(TESTS) tests --ignore=tests/benchmarks -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

fuzz: .venv-fuzz/.installed ## Let atheris look for inputs that break a property of the redaction engine, for FUZZ_SECONDS (600)
	@.venv-fuzz/bin/python -m pipeline.bootstrap.rules_cache
	@.venv-fuzz/bin/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

walks: .venv-test/.installed clients backend ## Only the end-to-end walks
	@$(TESTS) tests/walks $(PYTEST_FLAGS)

faults: .venv-test/.installed ## The long fault matrix: more kills, more points, more time
	@LOCKGATE_TEST_KILLS=20 LOCKGATE_TEST_CALLERS=200 LOCKGATE_TEST_SINK_S=600 .venv-test/bin/python -m pytest tests/faults $(PYTEST_FLAGS)

bench: .venv-test/.installed ## Throughput, latency and cost per step, as ratios against floors measured in the same run
	@.venv-test/bin/python -m tests.benchmarks

lint: .venv-test/.installed ## Format, lint, types, layers
	@.venv-test/bin/ruff format --check .
	@.venv-test/bin/ruff check .
	@.venv-test/bin/mypy
	@.venv-test/bin/lint-imports --no-cache

docs: .venv-test/.installed ## Regenerate the config reference from the models
	@.venv-test/bin/python -m pipeline.config.reference > examples/CONFIG.md

clients: .venv-clients-newest/.installed .venv-clients-pinned/.installed .venv-clients-otel-js/.installed

backend: .venv-phoenix/.installed .venv-mlflow/.installed

peers: .venv-peer-litellm/.installed .venv-peer-portkey/.installed ## Peers that `make bench` measures beside Lockgate when they are installed

evaluation: .venv-test/.installed .venv-peer-redaction-detect-secrets/.installed .venv-peer-redaction-kingfisher/.installed .venv-peer-redaction-presidio/.installed .venv-peer-redaction-datafog/.installed ## Quality of redaction beside peers, on cases drawn anew in each run
	@.venv-test/bin/python -m tests.evaluation --details 5

canary: .venv-test/.installed .venv-peer-telemetry/.installed ## What leaks from every surface of telemetry: Lockgate, the plain SDK, its hooks, Langfuse, Logfire
	@.venv-test/bin/python -m tests.canary

lock: ## Resolve the lock files again (needs uv on the PATH)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras -q --extra keychain pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras -q --all-extras -c requirements.lock pyproject.toml tests/locks/tools.in -o tests/locks/tools.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras -q -c tests/locks/tools.lock tests/locks/build.in -o tests/locks/build.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras -q -c requirements.lock tests/locks/fuzz.in -o tests/locks/fuzz.lock
	for name in clients-newest clients-pinned phoenix mlflow peer-litellm peer-redaction-detect-secrets peer-redaction-kingfisher peer-redaction-presidio peer-redaction-datafog peer-telemetry; do uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-strip-extras -q tests/locks/$$name.in -o tests/locks/$$name.lock; done

clean: ## Remove the environments and caches; .lockgate/ stays
	rm -rf .venv .venv-test .venv-fuzz .venv-clients-newest .venv-clients-pinned .venv-clients-otel-js .venv-phoenix .venv-mlflow .venv-peer-litellm .venv-peer-portkey .venv-peer-redaction-* .venv-peer-telemetry .mypy_cache .ruff_cache .pytest_cache .hypothesis

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Lockgate needs Python 3.11 or newer as '$(PYTHON)'; name another with: make PYTHON=python3.12 up" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. Debian and Ubuntu have it in the package python3-venv: sudo apt-get install python3-venv" >&2; exit 1; }

.venv/.installed: requirements.lock tests/locks/build.lock pyproject.toml | check-python
	@echo "Setting up .venv (once; takes a minute) ..." >&2
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install $(PIP_FLAGS) -r requirements.lock
	@.venv/bin/python -m pip install $(PIP_FLAGS) -r tests/locks/build.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The compiled detection rules, so that a new data folder does not compile them.
.venv/share/lockgate/rules.db: .venv/.installed $(wildcard redactors/rules/*.py redactors/detectors/*.py)
	@.venv/bin/python -m pipeline.bootstrap.rules_cache
	@touch $@

.venv-test/.installed: tests/locks/tools.lock pyproject.toml | check-python
	@echo "Setting up .venv-test (once) ..." >&2
	@test -x .venv-test/bin/python || $(PYTHON) -m venv .venv-test
	@.venv-test/bin/python -m pip install $(PIP_FLAGS) -r tests/locks/tools.lock
	@.venv-test/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Node packages: Portkey's gateway, which is measured, and OpenTelemetry's SDK, which sends. Without Node and npm they are left out.
.venv-peer-portkey/.installed .venv-clients-otel-js/.installed: .venv-%/.installed: tests/locks/%/package-lock.json
	@if ! command -v npm >/dev/null || ! command -v node >/dev/null; then echo "$* is left out: it needs Node and npm (Debian and Ubuntu: nodejs, npm)" >&2; exit 0; fi; \
	echo "Setting up .venv-$* (once) ..." >&2; \
	mkdir -p .venv-$* && cp tests/locks/$*/package.json tests/locks/$*/package-lock.json .venv-$*/ && \
	if npm ci --prefix .venv-$* --silent --ignore-scripts --omit=dev --no-audit --no-fund; then touch $@; else echo "$* is left out: npm could not install it" >&2; fi

.venv-%/.installed: tests/locks/%.lock | check-python
	@echo "Setting up .venv-$* (once) ..." >&2
	@test -x .venv-$*/bin/python || $(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python -m pip install $(PIP_FLAGS) -r $<
	@touch $@
