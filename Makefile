# Every target installs what it needs; only Python 3.11+ and make have to be there.
#
#   make demo         Loom with a backend and traffic of its own, the page at http://localhost:9998
#   make test         all tests            make lint          all static checks
#   make bench        the benchmarks       make bench-quick   the same in two minutes
#   make bench-page   the page under load  make docs          the generated part of docs/

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
WEB    := cd web && ../$(BIN)/node node_modules

ARGS ?=

.PHONY: demo test test-python test-page lint bench bench-quick bench-page docs format setup page dev clean
.DELETE_ON_ERROR:

# The environment with Loom (editable) and the built page.
$(VENV)/.ready: pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit("Loom needs Python 3.11 or later, not " + sys.version.split()[0] + ": make PYTHON=…" if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --group build
	@$(BIN)/python hatch_build.py
	@$(PIP) install --no-build-isolation --editable .
	@touch $@

# The tools of tests and checks.
$(VENV)/.dev: $(VENV)/.ready
	@echo "installing the tools of tests and checks …"
	@$(PIP) install --group dev
	@touch $@

page: $(VENV)/.ready
	@$(BIN)/python hatch_build.py

setup: page

dev: $(VENV)/.dev page
	@$(BIN)/python hatch_build.py --modules

demo: page
	@$(BIN)/loom --demo $(ARGS)

test: test-page test-python

test-page: dev
	$(WEB)/vitest/vitest.mjs run

test-python: dev
	@$(BIN)/python -m tests.support.browser
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(WEB)/svelte-check/bin/svelte-check --tsconfig ./tsconfig.json --fail-on-warnings
	$(WEB)/eslint/bin/eslint.js --max-warnings 0 .
	$(WEB)/prettier/bin/prettier.cjs --check --log-level warn .

# The proxies of the benchmarks; mitmproxy needs an environment of its own because its dependencies conflict.
$(VENV)/.bench: $(VENV)/.dev
	@echo "installing the proxies of the benchmarks …"
	@$(PIP) install --group bench
	@$(PYTHON) -m venv $(VENV)/mitmproxy
	@$(VENV)/mitmproxy/bin/python -m pip --quiet --disable-pip-version-check install mitmproxy
	@touch $@

bench bench-quick: export PATH := $(CURDIR)/$(BIN):$(CURDIR)/$(VENV)/mitmproxy/bin:$(PATH)
bench: $(VENV)/.bench dev
	$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(VENV)/.bench dev
	$(BIN)/python -m benchmarks --quick $(ARGS)

bench-page: dev
	$(BIN)/python -m benchmarks.page $(ARGS)

docs: $(VENV)/.ready
	@$(BIN)/python -m loom.cli.reference docs/configuration.md

format: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(WEB)/eslint/bin/eslint.js --fix .
	$(WEB)/prettier/bin/prettier.cjs --write --log-level warn .

clean:
	rm -rf $(VENV) build dist loom/inspector/static web/node_modules
