# What each target does stands behind it; `make` alone lists them. All of them set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo up test chaos lint format clean
help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/ready ## make .venv with everything the other targets need
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stemvault needs Python 3.11 or newer; say which: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[embedded]' --group dev
	@touch $@

demo: setup ## run the main job on embedded parts and compare the bucket with the source
	$(BIN)/stemvault demo

up: setup ## stay up on embedded defaults until Ctrl-C
	$(BIN)/stemvault up

test: setup ## run all tests
	$(BIN)/python -m pytest

chaos: setup ## break everything for real, at full size, and print what it cost (about 15 minutes)
	$(BIN)/python -m tests.chaos

lint: setup ## check style, types, import directions and the compose file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

format: setup ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## remove what the targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
