# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.
# Each installs what it needs into .venv, once, from a lock file with hashes.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# How pytest runs: all cores. One process, with output as it comes: make test TESTS="-n 0 -s"
TESTS ?= -n auto
export PIP_REQUIRE_VIRTUALENV := 1

.DEFAULT_GOAL := help
.PHONY: help demo test bench chaos kernels lint format lock clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14
	@echo 'PYTHON=python3.12 chooses the interpreter (3.11 or newer) that .venv is made with.'

demo: $(VENV)/.runtime ## Run two backtests on real candles, from job to result, on this machine
	@$(BIN)/backtest-worker demo

test: $(VENV)/.dev tools ## Run every test; the ones that need a missing emulator or server are skipped
	@$(BIN)/python -m pytest $(TESTS)

bench: $(VENV)/.dev ## Measure against the targets and the peers (benchmarks/README.md)
	@$(BIN)/python -m benchmarks $(BENCH)

# One round befalls the fleet with thirteen things, in the order that SEED gives.
chaos: $(VENV)/.dev ## Kill, freeze and lock a fleet on PostgreSQL for ROUNDS rounds (10), and audit it
	@CHAOS_ROUNDS=$(or $(ROUNDS),10) CHAOS_SEED=$(or $(SEED),8) $(BIN)/python -m pytest -n 0 -s \
		tests/e2e/test_killed_workers.py -k everything

kernels: $(VENV)/.dev ## Compile every kernel into a library: processes then start without numba
	@ENGINE_KERNELS=collect $(BIN)/python deploy/image/bake_kernels.py --samples samples --examples examples

# Each gets an environment of its own under var/, with what the engine needs and nothing else.
PYTHONS ?= python3.11 python3.12 python3.13 python3.14 $(wildcard $(HOME)/.pyenv/versions/3.1[1-9].*/bin/python3)
ENGINE_NEEDS := annotated-types|llvmlite|numba|numpy|pydantic|pydantic-core|typing-extensions|typing-inspection

test-pythons: $(VENV)/.dev ## Compare the engine's numbers between all Pythons of this machine
	@set -e; tried=; mkdir -p var/pythons; \
	awk '/^[a-z]/ { wanted = /^($(ENGINE_NEEDS))==/ } wanted' requirements/runtime.lock >var/pythons/engine.lock; \
	for python in $(PYTHONS); do \
		version=$$("$$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) || continue; \
		venv=$(CURDIR)/var/pythons/$$version; \
		if ! [ -f "$$venv/.ready" ]; then \
			"$$python" -m venv --clear "$$venv"; \
			"$$venv/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r var/pythons/engine.lock; \
			touch "$$venv/.ready"; \
		fi; \
		case "$$tried:" in *":$$venv/bin/python:"*) ;; *) tried="$$tried:$$venv/bin/python" ;; esac; \
	done; \
	ENGINE_PYTHONS="$${tried#:}" $(BIN)/python -m pytest -n 0 tests/engine/test_determinism.py -k version_of_python

lint: $(VENV)/.dev ## Check style, types, import rules, and that what is installed fits together
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy examples/*.py
	@$(BIN)/lint-imports
	@$(BIN)/python -m pip --disable-pip-version-check check

format: $(VENV)/.dev ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# uv is not installed by the lock files: have it on PATH.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url

lock: ## Write the lock files again from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	$(COMPILE) --quiet --extra build pyproject.toml -o requirements/runtime.lock
	$(COMPILE) --quiet --extra build --extra dev --extra oracles -c requirements/runtime.lock \
		pyproject.toml -o requirements/dev.lock

clean: ## Remove .venv (jobs, results and candles under var/ stay)
	rm -rf $(VENV)

# PYTHON if it is given, else the first of these that really starts and is new enough.
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)

$(BIN)/python:
	@set -e; \
	for candidate in $(CANDIDATES); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$("$$candidate" --version)"; \
			"$$candidate" -m venv $(VENV) && exit 0; \
			rm -rf $(VENV); exit 1; \
		fi; \
	done; \
	echo 'Python 3.11 or newer is needed; tried: $(CANDIDATES). Name one: make demo PYTHON=/path/to/python3' >&2; \
	exit 1

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml | $(BIN)/python
	@echo 'Installing what requirements/runtime.lock names (once) …'
	@$(PIP) install --require-hashes -r requirements/runtime.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The development lock holds everything of the runtime lock, in the same versions.
$(VENV)/.dev: requirements/dev.lock requirements/runtime.lock pyproject.toml | $(BIN)/python
	@echo 'Installing what requirements/dev.lock names (once) …'
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@

include deploy/image.mk
