# Every command a person types. A fresh machine needs Python >= 3.11 and make; the rest is set up on the way.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench soak lock clean
PYTHON ?= python3
BIN := .venv/bin

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: ## prepare everything; leaves the program at .venv/bin/sanjha
	@PYTHON="$(PYTHON)" tools/environment runtime

demo: setup ## two nodes that exchange intelligence, and what to try on them
	@$(BIN)/sanjha demo

.PHONY: develop
develop:
	@PYTHON="$(PYTHON)" tools/environment develop

.PHONY: lint
lint: develop
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir .local/import-linter

test: lint ## everything, against real peers (as root on Debian, installs them)
	@$(BIN)/python -m tools.peers
	@$(BIN)/python -m pytest -n 2 --dist loadfile --durations 15

check: lint ## the quick round before a commit: format, lint, types, import contracts, unit and property tests
	@SANJHA_EFFORT=quick $(BIN)/python -m pytest -q -n 2 tests/unit tests/property

format: develop ## put the code into form
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

bench: develop ## the benchmark, beside the peers; docs/performance.md says how to read it
	@$(BIN)/python -m bench $(ARGS)

soak: ## hours, not minutes: long runs of the property tests, the fuzzers, a million requests
	@PYTHON="$(PYTHON)" tools/environment fuzz
	@SANJHA_EFFORT=soak $(BIN)/python -m pytest -n 2 --timeout 0 tests/property tests/soak
	@$(BIN)/python -m tests.fuzz $(ARGS)
	@$(BIN)/python -m bench soak

lock: ## pin requirements/*.txt anew (UPGRADE=1: to the newest that pyproject.toml admits)
	@tools/lock "$(PYTHON)" $(if $(UPGRADE),--upgrade)

clean: ## remove what make has made
	@rm -rf .venv .local dist .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	@find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
