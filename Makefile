# The text after ## describes each target; `make` alone lists them. All of them set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
# uv does not compile the installed packages, which would take most of the time. Python compiles and caches each at its first import.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo up test test-unit coverage image-test chaos bench lint audit pins format clean
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/ready ## make .venv with everything the other targets need
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stemvault needs Python 3.11 or newer; say which: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv .venv
	awk '/^[^ ]/ { wanted = /^uv==/ } wanted' constraints.txt > .venv/uv.txt
	$(PIP) --require-hashes --requirement .venv/uv.txt
	@# uv is several times as fast, but does not read pip's configuration, which may name the only index that can be reached.
	@# The trial run downloads no file, so a file with a wrong hash ends the set-up: nothing is tried again.
	if $(UV) --dry-run --require-hashes --requirement constraints.txt; \
	then $(UV) --require-hashes --requirement constraints.txt; \
	else echo 'uv cannot find every package; using pip, which is slower.'; \
	  $(PIP) --require-hashes --requirement constraints.txt; fi
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## archive sample callbacks with embedded processes and compare the bucket with the source
	$(BIN)/stemvault demo

up: setup ## stay up on embedded defaults until Ctrl-C
	$(BIN)/stemvault up $(if $(PORT),--port $(PORT)) $(if $(PROVIDER),--provider)

# Most tests on real processes wait, so two files at a time take little more than half as long. Tests that measure run alone.
test: setup .venv/swift/ready coverage ## run all tests: the unit tests with coverage, those on real processes, and limits of memory and time
	$(BIN)/python -m pytest -m "not unit" -n 2 --dist loadfile --ignore tests/benchmarks
	$(BIN)/python -m pytest tests/benchmarks

UNIT := tests/unit -n 2 --dist worksteal
test-unit: setup ## run the unit tests but the slow ones, in two processes
	$(BIN)/python -m pytest $(UNIT) -m "not slow"

coverage: setup ## run the unit tests and measure which branches they reach; fails below the floor in pyproject.toml
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --quiet $(UNIT)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# OpenStack Swift, against which the tests of the store run. Its libraries are not for our environment.
.venv/swift/ready: tests/stores/swift/requirements.txt
	$(PYTHON) -m venv .venv/swift
	.venv/swift/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

image-test: ## build the image and run docker-compose.yml in a real Docker Engine (Debian, as root; about 5 minutes)
	tests/image/run

chaos: setup ## break each component on real processes, at full size, and print losses and recovery times (about 15 minutes)
	$(BIN)/python -m tests.chaos

bench: setup .venv/peers/ready ## measure Stemvault and the peers, and write tests/benchmarks/RESULTS.md (about 45 minutes)
	$(BIN)/python -m tests.benchmarks $(SECTIONS)

# A peer that cannot be installed is left out, and the results name it.
.venv/peers/ready: tests/benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv/peers
	grep -v '^#' $< | while read -r peer; do .venv/peers/bin/python -m pip install --quiet "$$peer" || echo "not installed: $$peer"; done
	@touch $@

lint: setup ## check style, types, import directions and the compose file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

audit: setup ## look for known vulnerabilities in the pinned packages; asks a public database
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement constraints.txt

pins: setup ## pin the newest versions that pyproject.toml allows, with their hashes
	(sed -n 1p constraints.txt; $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --extra embedded --group dev --no-header --no-annotate pyproject.toml) > constraints.new
	mv constraints.new constraints.txt
	(sed -n 1p tests/stores/swift/requirements.txt; echo swift | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate -) > .venv/swift.new
	mv .venv/swift.new tests/stores/swift/requirements.txt

format: setup ## format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean: ## remove everything that the targets made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* build dist
