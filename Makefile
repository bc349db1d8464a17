# Everything a developer or a build server runs. `make help` lists it. Caches stay in .cache/, packages in .venv/.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
CACHE := $(CURDIR)/.cache
UV := $(CACHE)/uv
COMPILE := $(UV)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

export PIP_CACHE_DIR := $(CACHE)/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export UV_CACHE_DIR := $(CACHE)/uv-cache
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis

.PHONY: help setup demo test check road prove prove-quick prove-table lint bench bench-consumer bench-checkpoints lock ci-setup

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with everything to develop and test (checked by hash)
	@deploy/set-up.sh requirements-dev.lock

demo: ## Run it all on this machine: needs Python and make, nothing else
	@deploy/set-up.sh requirements.lock
	@$(BIN)/fraud demo $(ARGS)

check: lint ## Lint, format, types, layers, dependencies, spelling, unit tests (two minutes at most)
	@$(BIN)/pytest -q -n 2 -m "not kafka and not mongo_wire and not postgres and not chromium and not slow"

test: lint ## The same and every test, on real components (missing: skipped, or failed under CI=true)
	@$(BIN)/pytest -n 2 --dist loadgroup

road: setup ## The Handbook's payments through real Kafka and MongoDB's wire protocol: HANDBOOK=FILE [DAYS=14] [ARGS=--help]
	@$(BIN)/python -m tests.road.real_road "$(HANDBOOK)" --days $(or $(DAYS),14) $(ARGS)

prove: setup ## Break everything on purpose and hold what is stored against an oracle: [ROW=kills] [ARGS=--help], see docs/proof.md
	@$(BIN)/python -m tests.prove $(ROW) $(ARGS)

prove-quick: setup ## A few rounds of what finds most (part of `make test`)
	@$(BIN)/python -m tests.prove quick --again $(ARGS)

prove-table: setup ## Write the table of docs/proof.md from what the rows wrote down
	@$(BIN)/python -m tests.prove --table

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir $(CACHE)/import-linter
	@$(BIN)/deptry .
	@$(BIN)/typos

bench: setup ## CPU per payment of every stage, by batch size (one table; quiet machines tell more)
	@$(BIN)/python -m benchmarks.engine $(ARGS)

bench-consumer: setup ## CPU per payment of the whole consumer, with and without failpoints and checkpoints (some minutes)
	@$(BIN)/python -m benchmarks.consumer $(ARGS)

bench-checkpoints: setup ## Pause, CPU and bytes of checkpoints, time of a restore, for 1,000,000 users (6 GB of memory, 5 GB of disk)
	@$(BIN)/python -m benchmarks.checkpoints $(ARGS)

lock: $(UV)/bin/uv ## Resolve pyproject.toml into both lock files again (UPGRADE=--upgrade takes newest versions)
	@$(COMPILE) $(UPGRADE) --group dev --group build -o requirements-dev.lock
	@$(COMPILE) $(UPGRADE) --group build -c requirements-dev.lock -o requirements.lock

$(UV)/bin/uv:
	@$${PYTHON:-python3} -m venv --clear $(UV)
	@$(UV)/bin/python -m pip install --quiet --only-binary :all: "uv>=0.9,<1"

ci-setup: ## Install what real components need (root; Debian): browser, fonts, PostgreSQL, Maven, Java
	@deploy/install-components.sh
