# make install   the environment alone          make run     the quick suite, end to end
# make test      lint, types and all tests      make check   lint and types only
SUITE ?= suites/quick.yaml
PYTHON ?= $(firstword $(foreach python,python3.12 python3.11 python3.13 python3,$(shell command -v $(python) >/dev/null 2>&1 && $(python) -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $(python))))
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install run check test clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python from 3.11 to 3.13 with venv found; install one, or run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@echo "installing torch, Ray, DeepSpeed and the rest into $(VENV): a few minutes, and about 2 GB"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

run: install
	$(BIN)/harness run $(SUITE)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
