# Two commands do everything on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.installed
PACKAGES := bulwark consensus node api contracts genesis bench
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: help install system demo test check unit types lint imports format lock layout bench clean

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
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.lock requirements/bootstrap.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

install: system $(STAMP) ## prepare .venv with the `bulwark` command

demo: install ## start an alliance and walk through its main job (ARGS=--exit ends it)
	$(BIN)/bulwark demo $(ARGS)

test: check ## everything: check, then tests with real processes
	$(BIN)/python -m pytest tests -m process -x

check: install lint types imports unit ## format, lint, types, import contracts, tidy, unit tests

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

unit:
	$(BIN)/python -m pytest tests -m "not process" -n 2

format: install ## rewrite the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

layout: install ## write docs/layout.md and the diagrams of docs/protocol.md from the code
	$(BIN)/python -m tests.architecture.layout
	$(BIN)/python -m tests.architecture.states

bench: install ## start an alliance, load it, print a table and write a JSON file
	$(BIN)/python -m bench $(ARGS)

lock: ## resolve the dependencies again and write the hashes
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links --extra dev -o requirements/dev.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links -o requirements/runtime.lock pyproject.toml
	echo 'uv>=0.13' | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --no-emit-find-links -o requirements/bootstrap.lock -

clean: ## remove what the targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
