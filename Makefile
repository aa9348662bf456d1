# Each target sets up what it needs by itself, in .venv; a second run starts at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: bench test check table microbench clean

bench: $(VENV)/.bench
	$(BIN)/halfstep bench --out bench-report $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	rm -rf build/types && mkdir -p build/types/halfstep
	cp -R halfstep/. solvers kernels evaluation datasets bench build/types/halfstep/
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p halfstep

table: $(VENV)/.bench
	$(BIN)/python -m halfstep.bench.readme README.md bench/results

microbench: $(VENV)/.test
	$(BIN)/python -m pytest bench/micro_benchmarks.py --benchmark-only $(ARGS)

# One stamp per extra: installing again when pyproject.toml changes, and only then.
$(VENV)/.%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info bench-report .pytest_cache .mypy_cache .ruff_cache
