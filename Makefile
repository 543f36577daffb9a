# Two commands on a fresh machine with Python >= 3.11: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-browser test-slow test-r format clean

demo: .venv/installed
	$(BIN)/lungeval demo

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --dist loadfile

test-browser: .venv/installed-dev
	$(BIN)/pytest -m "browser and not gpu"

test-slow: .venv/installed-dev
	$(BIN)/pytest -n auto --dist loadfile -m "slow and not browser and not gpu and not r"

test-r: .venv/installed-dev
	$(BIN)/pytest -m r

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lungeval needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@ .venv/installed

clean:
	rm -rf .venv build dist *.egg-info
