PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all lint clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	touch $@

demo: $(READY)
	$(BIN)/python examples/demo.py $(PRESET)

test: $(READY) lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow and not network"

test-all: $(READY) lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not network"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .ruff_cache .hypothesis
