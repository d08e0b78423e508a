# Every command a contributor runs. `make help` lists them.
#
# `uv` is used when it is on the PATH, otherwise `python3 -m venv` and pip. Both install the exact
# versions of requirements/*.txt and check their hashes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# The interpreter: the first supported one on the PATH; `make PYTHON=… demo` chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& { "$$name" -c 'import sys; print(sys.executable)'; break; }; done)

# uv takes the interpreter it is given and never fetches one.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(PYTHON)

# Tests run side by side in this many processes. ARGS goes to the program behind the target.
JOBS ?= 2
ARGS ?=

.PHONY: help demo test check fmt lint types contracts rules fresh bench soak chaos docs pictures lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort \
		| awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: $(VENV)/ready-demo ## Start everything from nothing and open the console (needs a terminal)
	@if [ -t 0 ] && [ -t 1 ]; then \
		exec $(BIN)/cairnloop demo $(ARGS); \
	else \
		echo "The console needs a terminal, and this is not one."; \
		echo "Without a terminal, walk the same stages with:  $(BIN)/cairnloop demo --smoke"; \
		echo "or start everything but the console with:       $(BIN)/cairnloop demo --no-tui"; \
	fi

test: $(VENV)/ready-all ## Run every test from nothing; ARGS="-k inbox" passes options to pytest
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: lint types contracts rules fresh ## Format, lint, types, import contracts, house rules, fresh docs

lint: $(VENV)/ready-all ## Lint, and check the formatting without changing it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready-all ## Check types, strictly
	$(BIN)/mypy

contracts: $(VENV)/ready-all ## Check which module may import which
	$(BIN)/lint-imports --no-logo

rules: $(VENV)/ready-all ## Check the house rules
	$(BIN)/python -m tools.house_rules

fresh: $(VENV)/ready-all ## Check that docs/reference says what the code says
	$(BIN)/python -m tools.write_docs --check

fmt: $(VENV)/ready-all ## Format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/ready-all ## Measure what we publish; results go to benchmarks/results
	@mkdir -p benchmarks/results
	$(BIN)/python -m benchmarks.inbox --out benchmarks/results/inbox.json $(ARGS)
	$(BIN)/python -m benchmarks.jobs --out benchmarks/results/jobs.json
	-@$(MAKE) $(PEERS)/ready
	$(BIN)/python -m benchmarks.retrieval --harder --peers $(PEERS)/bin/python \
		--out benchmarks/results/retrieval.json
	$(BIN)/python -m benchmarks.answers --out benchmarks/results/answers.json

# The libraries that the search is measured beside, in an environment of their own. Where they
# cannot be installed, the benchmark says that they are absent.
$(PEERS)/ready: benchmarks/peers/requirements.txt
	rm -rf $(PEERS)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

soak: $(VENV)/ready-all ## Ten minutes of chats while workers die and Postgres restarts
	$(BIN)/python -m benchmarks.soak $(ARGS)

chaos: $(VENV)/ready-all ## Kill, freeze and cut off workers, then balance the books; LONG=1 for all of it
	@mkdir -p benchmarks/results
	$(BIN)/python -m benchmarks.chaos $(if $(LONG),--long --out benchmarks/results/chaos.json) $(ARGS)

docs: $(VENV)/ready-all ## Write docs/reference anew from the code
	$(BIN)/python -m tools.write_docs

# Universal: one lock for Python 3.11 to 3.13 and every platform. The smaller locks are bound to
# the versions of the whole one.
COMPILE = $(UV) pip compile pyproject.toml --group build --universal --python-version 3.11 --quiet \
	--generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

pictures: $(VENV)/ready-demo ## Draw the console anew for README and guides
	$(BIN)/python -m tools.take_pictures

lock: ## Resolve the exact versions of requirements/*.txt anew (needs uv); ARGS=--upgrade raises them
	@test -n "$(UV)" || { echo "make lock needs uv on the PATH."; exit 2; }
	$(COMPILE) --extra embedded --extra local --extra dev $(ARGS) -o requirements/all.txt
	$(COMPILE) --extra embedded --extra local -c requirements/all.txt -o requirements/demo.txt
	$(COMPILE) --extra local -c requirements/all.txt -o requirements/runtime.txt

clean: ## Remove the virtual environment and every cache; data of the demo stays
	rm -rf $(VENV) $(PEERS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { \
		echo "Cairnloop needs Python 3.11, 3.12 or 3.13, and none is on the PATH."; \
		echo "Name one with:  make PYTHON=/path/to/python3 <target>"; exit 2; }
ifneq ($(UV),)
	$(UV) venv --quiet --allow-existing $(VENV)
else
	$(PYTHON) -m venv $(VENV)
endif

# An environment that holds everything holds the demo's part, so one stamp makes the other.
$(VENV)/ready-all: requirements/all.txt pyproject.toml | $(VENV)/bin/python
	$(call install,requirements/all.txt)
	@touch $(VENV)/ready-demo $@

$(VENV)/ready-demo: requirements/demo.txt pyproject.toml | $(VENV)/bin/python
	$(call install,requirements/demo.txt)
	@touch $@

ifneq ($(UV),)
define install
	@echo "Installing $(1) into $(VENV) with uv"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $(1)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
endef
else
define install
	@echo "Installing $(1) into $(VENV) with pip; the first time takes a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation -e .
endef
endif
