# Everything a person runs. `make` alone lists it; `make demo` and `make test` set up what they need first.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PYTHON ?= python3
SEED ?=
DOCS ?=
ROUNDS ?= 20
MESSAGES ?= 100000
PYTEST ?=
UV ?= uv

BIN := .venv/bin
# node_modules/.bin holds the native anvil and the node that set-up chose.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
export PYTHONDONTWRITEBYTECODE ?=

SOAKS := tests/scenarios/test_soak.py tests/scenarios/test_engine_faults.py tests/scenarios/test_exchange_soak.py \
	tests/scenarios/test_anchoring_soak.py
CODE := platform/tallystick tenants/tallystick ledger/tallystick edge_agent/tallystick
CHECKED := $(CODE) tests deploy
COVERED := --cov --cov-branch --cov-report=term --cov-fail-under=95
# A file's tests share their servers, so a file stays with one worker; tests/support/spreading.py has the order and number.
SPREAD := -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help setup demo up down test check soak bench bench-peers artifacts prove-contracts mutate-contracts lock clean

help: ## list what there is
	@echo "Tallystick: one workflow between organisations, the same proof for each of them."
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo "  make demo SEED=7             other amounts, decisions and order"
	@echo "  make demo DOCS=folder        your own UBL documents"
	@echo "  make test PYTEST='-k keys'   a part of the tests"

setup: ## install everything here, nothing outside this folder; the second time does nothing
	@$(PYTHON) deploy/setup/bootstrap.py

demo: setup ## three organisations run, prove and audit one collaboration
	@$(BIN)/tally demo --seed "$(SEED)" $(if $(DOCS),--docs "$(DOCS)")

up: setup ## the same three organisations, left running for you to sign in
	@$(BIN)/tally up

down: ## stop what `make up` started
	@if [ -x $(BIN)/tally ]; then $(BIN)/tally down; else echo "nothing is set up here, so nothing runs"; fi

check: setup ## format, lint, types and layers
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy $(CHECKED)
	$(BIN)/lint-imports

# One part of the tests covers one part of the code, so the bar holds only for a whole run.
test: check ## check, then every test; ends in a table of what ran, what was skipped and why
	$(BIN)/python -m pytest $(SPREAD) $(if $(PYTEST),$(PYTEST),$(COVERED))

soak: setup ## random faults, round after round: make soak ROUNDS=100 MESSAGES=100000; the results are committed
	TALLY_ROUNDS=$(ROUNDS) TALLY_MESSAGES=$(MESSAGES) TALLY_SOAK_RESULTS=tests/scenarios/results \
		$(BIN)/python -m pytest $(SOAKS) -s --timeout=0 $(PYTEST)

bench: setup ## measure executions a second and the rest; takes half an hour
	$(BIN)/tally bench engine

bench-peers: setup ## the same five steps on DBOS in the same run; prints the ratio
	@test -x .cache/peers/bin/python || $(PYTHON) -m venv .cache/peers
	@.cache/peers/bin/pip install -q --require-hashes -r requirements/peers.txt
	$(BIN)/tally bench peers

artifacts: setup ## compile the contracts anew into tallystick.ledger
	$(BIN)/python -m tallystick.ledger.compile

prove-contracts: setup ## static analysis of the contracts, and proofs of their Merkle verifiers; needs ten minutes
	@test -x .cache/contracts/bin/halmos || $(PYTHON) -m venv .cache/contracts
	@.cache/contracts/bin/pip install -q --require-hashes -r requirements/contracts.txt
	PYTHONPATH=tests $(BIN)/python -m contracts.analyse
	PYTHONPATH=tests $(BIN)/python -m contracts.prove

mutate-contracts: setup ## plant faults in the contracts, one at a time: each must fail a test; takes an hour
	PYTHONPATH=tests $(BIN)/python -m contracts.mutate

lock: ## choose dependencies anew and pin them by hash (needs uv and npm)
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) -c requirements/build.txt --extra dev pyproject.toml requirements/build.in requirements/platforms.in \
		-o requirements/dev.txt
	$(COMPILE) -c requirements/dev.txt requirements/fast.in -o requirements/fast.txt
	$(COMPILE) -c requirements/dev.txt -c requirements/fast.txt requirements/second.in -o requirements/second.txt
	$(COMPILE) requirements/node.in -o requirements/node.txt
	$(COMPILE) requirements/peers.in -o requirements/peers.txt
	$(COMPILE) requirements/contracts.in -o requirements/contracts.txt
	npm install --package-lock-only --ignore-scripts

clean: ## remove what set-up and the tests made; running organisations are stopped first
	@if [ -x $(BIN)/tally ]; then $(BIN)/tally down || true; fi
	rm -rf .venv node_modules .cache .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov
	rm -f .coverage
