# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.installed
PACKAGES := bulwark consensus node api contracts genesis bench
SEEDS ?= 0-99999
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help install system demo test tools check unit types lint imports search simulate twins \
  process coverage mutation privacy law openapi soak format lock layout bench clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

system: ## install what Debian has to bring: Python with venv, and libsodium
	@if ! command -v $(PYTHON) >/dev/null || ! $(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || ! ldconfig -p | grep -q 'libsodium\.so\.23'; then \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq \
	  python3.11 python3.11-venv libsodium23 ca-certificates; fi

$(STAMP): pyproject.toml requirements/bootstrap.lock requirements/dev.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.lock requirements/bootstrap.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q $(PACKAGES)  # a node starts in half the time
	@touch $@

install: system $(STAMP) ## prepare .venv with the `bulwark` command

demo: install ## start an alliance and walk through its main job (ARGS=--exit ends it)
	$(BIN)/bulwark demo $(ARGS)

test: tools check coverage search process ## everything: check, searches, tests with real processes

tools: ## install what the tests with real processes need: namespaces, a browser, containers, Node.js
	@missing=""; \
	for each in ip:iproute2 cc:gcc chromium:chromium chromedriver:chromium-driver npm:npm node:nodejs \
	  dockerd:docker.io docker-compose:docker-compose debootstrap:debootstrap iptables:iptables \
	  promtool:prometheus softhsm2-util:softhsm2; do \
	  PATH="$$PATH:/usr/sbin:/sbin" command -v $${each%%:*} >/dev/null || missing="$$missing $${each##*:}"; done; \
	echo '#include <time.h>' | cc -E - >/dev/null 2>&1 || missing="$$missing libc6-dev"; \
	if [ -n "$$missing" ]; then \
	  $(SUDO) apt-get update -qq && DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq \
	  --no-install-recommends $$missing fonts-dejavu-core ca-certificates; fi

process: install ## tests with real processes, sockets, disks and namespaces
	$(BIN)/python -m pytest tests -m process -n 2 --dist loadfile --maxfail=3

search: install simulate twins ## the longer searches: seeds that failed once, crashes, Twins, simulator
	$(BIN)/python -m pytest tests -m search -n 2

simulate: install ## a minute of fresh seeds of the consensus simulator
	$(BIN)/python -m tests.simulation run --seconds 60 --seeds $(SEEDS) --n 4,5,6,7 --blocks 40 --jobs 2

twins: install ## all 16,384 Twins scenarios of three rounds
	$(BIN)/python -m tests.twins --rounds 3 --jobs 2

coverage: install ## the ledger and the consensus core have no untested branch
	$(BIN)/python -m pytest tests/unit/consensus tests/unit/ledger --cov --cov-config=tests/coverage.toml \
	  --cov-report=term-missing:skip-covered --cov-fail-under=100

mutation: install ## how many small bugs in quorum, certificates and view change go unnoticed
	nice $(BIN)/python -m tests.mutation $(ARGS)

privacy: install ## every test of docs/privacy-checks.md: vectors, traps, forgeries, ceremonies, the guarded path
	$(BIN)/python -m pytest tests/unit/privacy tests/unit/node/guarded tests/unit/node/ceremony \
	  tests/unit/contracts/test_privacy_keys.py tests/unit/contracts/test_key_ceremony.py \
	  tests/unit/contracts/test_ceremony_with_dkg.py tests/unit/ledger/test_signing.py \
	  tests/unit/indicators/test_spellings.py -m "not process and not search" -n 2

law: install ## every test of docs/law-matrix.md: what laws ask and which rule answers
	$(BIN)/python -m pytest $$($(BIN)/python -m tests.architecture.lawmatrix) tests/architecture/test_law_matrix.py

openapi: install ## a whole running node against its OpenAPI document, with the key of every role
	$(BIN)/python -m tests.interop.openapi $(ARGS)

soak: install ## half an hour of load and half an hour of rest: slopes of memory and disk
	$(BIN)/python -m bench soak $(ARGS)

check: install lint types imports unit ## format, lint, types, import contracts, tidy, unit tests

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

unit:
	$(BIN)/python -m pytest tests -m "not process and not search" -n 2

format: install ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

layout: install ## write docs/layout.md, docs/api.md and the diagrams of docs/protocol.md from the code
	$(BIN)/python -m tests.architecture.layout
	$(BIN)/python -m tests.architecture.states
	$(BIN)/python -m tests.architecture.apipage

bench: install ## start an alliance, load it, print a table and write a JSON file
	$(BIN)/python -m bench $(ARGS)

lock: ## resolve the dependencies again and write the hashes
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --extra dev -o requirements/dev.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links -o requirements/runtime.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --extra parquet --extra pkcs11 \
	  -o requirements/image.lock pyproject.toml
	echo 'hatchling>=1.27' | $(UV) pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  -o requirements/build.lock -
	echo 'uv>=0.13' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --no-emit-find-links -o requirements/bootstrap.lock -

clean: ## remove what the targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
