# Every target installs what it needs; only Python 3.11+ and make have to be there.
#
#   make demo         Loom with a backend and traffic of its own, the page at http://localhost:9998
#   make test         all tests            make lint          all static checks
#   make bench        the benchmarks       make bench-quick   the same in two minutes
#   make bench-page   the page under load  make docs          the generated part of docs/
#   make flood        one connection that floods  make soak   ten minutes of connections that die and send rubbish
#   make kill         kill -9 of Loom, its workers, the target and clients, a hundred times
#   make site         docs/ as a site       make pictures      docs/images, renewed from the demo
#   make test-lowest  the tests with the oldest releases that pyproject.toml allows
#   make test-grpcio  the proxy's tests with the oldest and the newest grpcio that it allows
#   make coverage     the Python tests, with the branches of loom/ that they take
#   make conformance  the Connect conformance suite through Loom
#   make differential random calls through Loom, compared with what both sides saw
#   make faults       clients of four libraries under each fault, compared with a backend that has it by itself
#   make lock         the tools' versions in requirements-dev.lock, renewed

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := requirements-dev.lock
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
WEB    := cd web && ../$(BIN)/node node_modules

ARGS ?=

.PHONY: demo test test-python test-page coverage test-lowest test-grpcio conformance differential faults lock lint bench bench-quick bench-page docs site pictures api format setup page dev clean soak kill flood
.DELETE_ON_ERROR:

# The environment with Loom (editable) and the built page.
$(VENV)/.ready: pyproject.toml hatch_build.py $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit("Loom needs Python 3.11 or later, not " + sys.version.split()[0] + ": make PYTHON=…" if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV) …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --constraint $(LOCK) --group build
	@$(BIN)/python hatch_build.py
	@$(PIP) install --constraint $(LOCK) --no-build-isolation --editable .
	@touch $@

# The tools of tests and checks.
$(VENV)/.dev: $(VENV)/.ready
	@echo "installing the tools of tests and checks …"
	@$(PIP) install --constraint $(LOCK) --group dev
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
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

# Processes that the tests start are measured too. Fails below the floor in pyproject.toml.
coverage: dev
	@$(BIN)/python -m tests.support.browser
	@$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n 2 --dist worksteal --session-limit 3000 $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# The ends of the ranges in pyproject.toml, each in an environment of its own, which has no Loom in it.
UV        := $(BIN)/uv
AT_AN_END := PYTHONPATH=. python -m pytest -p loom.pytest_plugin -n 2 --dist worksteal
# Left out: what needs a newer json_format (protobuf before 7.35 refuses the largest float), and a generated document.
LEFT_OUT  := not comes_back_as_the_same_message and not published_schema
OLDEST    := proxy grpc_core workers schema codec recording sessions decoding search formats replay inspector runtime cli

$(VENV)/.uv: $(VENV)/.ready
	@$(PIP) install --constraint $(LOCK) --group lock
	@touch $@

$(VENV)/oldest/.ready: pyproject.toml $(VENV)/.uv
	@echo "installing the oldest releases that pyproject.toml allows …"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	@$(UV) pip compile --quiet --resolution lowest-direct --python $(BIN)/python \
	  pyproject.toml --group test --output-file $(@D)/requirements.txt
	@$(UV) pip install --quiet --python $(@D)/bin/python --requirements $(@D)/requirements.txt
	@touch $@

# As locked, but for grpcio and what comes with it.
$(VENV)/newest-grpcio/.ready: pyproject.toml $(LOCK) $(VENV)/.uv
	@echo "installing the newest grpcio that pyproject.toml allows …"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	@cp $(LOCK) $(@D)/requirements.txt
	@$(UV) pip compile --quiet --python $(BIN)/python --upgrade-package grpcio --upgrade-package grpcio-tools \
	  --upgrade-package grpcio-status --upgrade-package grpcio-reflection --upgrade-package grpcio-health-checking \
	  pyproject.toml --group test --output-file $(@D)/requirements.txt
	@$(UV) pip install --quiet --python $(@D)/bin/python --requirements $(@D)/requirements.txt
	@touch $@

test-lowest: dev $(VENV)/oldest/.ready
	PATH=$(CURDIR)/$(VENV)/oldest/bin:$(CURDIR)/$(BIN):$$PATH $(AT_AN_END) -k '$(LEFT_OUT)' \
	  $(if $(ARGS),$(ARGS),$(addprefix tests/,$(OLDEST)))

test-grpcio: $(VENV)/oldest/.ready $(VENV)/newest-grpcio/.ready
	PATH=$(CURDIR)/$(VENV)/oldest/bin:$$PATH $(AT_AN_END) $(if $(ARGS),$(ARGS),tests/proxy tests/grpc_core)
	PATH=$(CURDIR)/$(VENV)/newest-grpcio/bin:$$PATH $(AT_AN_END) $(if $(ARGS),$(ARGS),tests/proxy tests/grpc_core)

# gRPC, gRPC-Web and Connect as their own clients and servers see them, through both engines: ten minutes.
conformance: dev
	$(BIN)/python -m tests.conformance $(ARGS)

differential: dev
	$(BIN)/python -m tests.differential $(ARGS)

# grpc-java needs a JDK and Maven; without them it is left out.
faults: dev
	$(BIN)/python -m tests.interop $(ARGS)

# The versions of all tools, and of what Loom requires, for every Python and platform; UPGRADE= adds what is new only.
UPGRADE ?= --upgrade
lock: $(VENV)/.uv
	$(UV) pip compile --quiet --universal --python-version 3.11 $(UPGRADE) --no-annotate \
	  --custom-compile-command 'make lock' \
	  pyproject.toml --group build --group dev --group bench --group lock --output-file $(LOCK)

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
	@$(PIP) install --constraint $(LOCK) --group bench
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

soak: dev
	$(BIN)/python -m benchmarks.soak $(ARGS)

kill: dev
	$(BIN)/python -m benchmarks.kill $(ARGS)

flood: dev
	$(BIN)/python -m benchmarks.flood $(ARGS)

docs: api
	@$(BIN)/python -m loom.cli.reference docs/reference/configuration.md docs/reference/command-line.md

# Fails on a link that leads nowhere.
site: $(VENV)/.dev
	$(BIN)/zensical build --clean --strict

pictures: dev
	@$(BIN)/python -m tests.support.browser
	@$(BIN)/python -m tests.docs.pictures

api: $(VENV)/.ready
	@$(BIN)/python -m loom.api

format: dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(WEB)/eslint/bin/eslint.js --fix .
	$(WEB)/prettier/bin/prettier.cjs --write --log-level warn .

clean:
	rm -rf $(VENV) build dist loom/inspector/static web/node_modules
