PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH := .venv-bench
PARALLEL := -n 2 --dist loadfile

.PHONY: demo docs preset test test-system test-all bench lint clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,dev]'
	touch $@

demo: $(READY)
	$(BIN)/python examples/demo.py $(PRESET)

# The pages of docs/ as a site; a broken link or anchor fails.
docs: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python -m zensical build --clean --strict

# The preset that comes with the package; stopped, it goes on where it was.
preset: $(READY)
	$(BIN)/python presets/f_net_mini_docs_en/make.py

# Tests run side by side: threads that wait must not hold a core, and Ray's workers, which it starts
# at niceness 15, must not starve beside a test that keeps all cores busy.
test test-system test-all: export OMP_WAIT_POLICY := passive
test test-system test-all: export RAY_worker_niceness := 0

test: $(READY) lint
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not system and not network"

# Whole programs and jobs, of ten seconds and more; what needs PostgreSQL, Java or iproute2 skips
# without its own.
test-system: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev-spark]'
	$(BIN)/python -m pytest $(PARALLEL) -m "system and not slow"

test-all: $(READY) lint
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev-spark,dev-stores]'
	$(BIN)/python -m pytest $(PARALLEL) -m "not network"

bench: $(BENCH)/.ready
	$(BENCH)/bin/python benchmarks/run.py $(CORPUS)

$(BENCH)/.ready: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --upgrade pip
	$(BENCH)/bin/python -m pip install --quiet -e '.[all]' -r benchmarks/requirements.txt
	touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(BENCH) build dist demo site .cache .pytest_cache .ruff_cache .hypothesis
