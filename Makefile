# Each target sets up what it needs by itself, in .venv; a second run starts at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
STAGE ?= first
FILES ?= build/gpu/results.jsonl
SOAK_SHARE ?= 1
SOAK_PAGE ?= docs/reliability.md
MACHINE ?= this-machine

# Without bytecode on disk every process compiles the package again, and every worker of the tests all
# of their assertions.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: gpu gpu-install-proof gpu-rehearsal gpu-report gpu-kernels bench test soak check table microbench kernels kernels-record clean
.PHONY: lab notebook roofline threads site site-check

bench: $(VENV)/.bench
	$(BIN)/halfstep bench --out bench-report $(ARGS)

lab: $(VENV)/.lab
	mkdir -p lab-report
	$(BIN)/halfstep lab run lab/music_recommender.ipynb -o lab-report/music_recommender.html

# Opens copies of the notebook and the exercises, which stay, in a browser, and prints the address. From
# a machine without a screen: ARGS="--ip 0.0.0.0", and open the address elsewhere.
notebook: $(VENV)/.lab
	mkdir -p lab-work
	for file in music_recommender exercises; do \
		test -e lab-work/$$file.ipynb || cp lab/$$file.ipynb lab-work/; done
	cd lab-work && ../$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) \
		$(if $(DISPLAY)$(WAYLAND_DISPLAY)$(filter-out Linux,$(shell uname)),,--no-browser) \
		$(ARGS) music_recommender.ipynb

# Where there is a card: ARGS="-m gpu" runs what needs it, which the default leaves out. Compiled ahead,
# one precision a core: workers of the tests that find nothing compile the same functions side by side.
test: $(VENV)/.test
	$(BIN)/halfstep warmup --float64 & $(BIN)/halfstep warmup; wait
	$(BIN)/python -m pytest $(ARGS)

# Hundreds of rounds of faults, most of an hour; docs/reliability.md is written from its record. With
# ARGS=tests/cluster one part, which writes its own section anew.
soak: $(VENV)/.test
	SOAK_SHARE=$(SOAK_SHARE) SOAK_RECORD=build/soak.json \
		$(BIN)/python -m pytest -m "(soak or counted) and not gpu" $(ARGS)
	$(BIN)/python tests/faults/reliability.py build/soak.json $(SOAK_PAGE)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy -p halfstep
	$(BIN)/python -m pytest -q -m types tests/cli

table: $(VENV)/.bench
	$(BIN)/python -m halfstep.bench.report.markdown README.md docs/measurements.md docs/limits.md bench/results
	$(BIN)/python -m halfstep.bench.report.metrics_page docs/metrics.md
	$(BIN)/python -m halfstep.distributed.planning.page docs/scale.md
	$(BIN)/python -m halfstep.bench.over_workers bench/workers --page docs/scale.md
	$(BIN)/python -m halfstep.bench.beside_spark bench/workers --page docs/scale.md
	$(BIN)/python -m halfstep.bench.beside_features bench/new_items --page docs/side-information.md

# How near to the machine's limits: docs/limits.md, its picture and bench/results/MACHINE-roofline.json.
roofline: $(VENV)/.bench
	$(BIN)/halfstep bench --suite roofline --out bench/results/$(MACHINE)-roofline.json $(ARGS)
	$(BIN)/python -m halfstep.bench.report.limits_page docs bench/results
	$(BIN)/python -m halfstep.bench.report.markdown docs/limits.md bench/results

# 1, 2, 4, ... threads up to all cores, in one go. ARGS="--threads 16": up to 16.
threads: $(VENV)/.bench
	$(BIN)/halfstep bench --suite threads --out bench/results/$(MACHINE)-threads.json $(ARGS)
	$(BIN)/python -m halfstep.bench.report.markdown docs/limits.md bench/results

# The site, in build/site: open build/site/index.html. Warnings are errors.
site: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html -j 2 -d build/doctrees docs build/site
	@echo "the site is built: open build/site/index.html"

# Its code blocks, links, names and pages in a browser (Debian's chromium, where it is installed).
site-check: $(VENV)/.browser site
	$(BIN)/python -m pytest -m site tests/site $(ARGS)

microbench: $(VENV)/.test
	$(BIN)/python -m pytest -o addopts=--import-mode=importlib bench/micro_benchmarks.py --benchmark-only $(ARGS)

# Long proofs of the CUDA kernels, without a GPU: compiled, executed, sanitized, mutated.
kernels: $(VENV)/.test $(VENV)/.cupy
	HALFSTEP_CUPY=$(CURDIR)/$(VENV)/cupy $(BIN)/python -m pytest -m "kernels and not gpu" \
		--dist load $(ARGS)

# All that needs a card, with the Python given and what it has: no network, no .venv. STAGE=first and
# then STAGE=second, nine minutes each at most, with a process for each part. The wheels of a peer in
# .whl/ are unpacked to build/site. Results are in $OUT, or build/gpu.
gpu:
	if ls .whl/*.whl >/dev/null 2>&1; then $(PYTHON) -m pip install -q --no-index --no-deps \
		--no-compile --upgrade --target build/site .whl/*.whl; fi
	PYTHONPATH=$(CURDIR):$(CURDIR)/build/site $(PYTHON) -m halfstep.bench.gpu.run $(STAGE) $(ARGS)

# Both stages on the CPU, with what the machine with the card has and three parts broken on purpose.
gpu-rehearsal: $(VENV)/.test
	$(BIN)/python -m halfstep.bench.gpu.rehearsal.run $(ARGS)

# FILES: the results.jsonl of both stages. Writes the results file, README, docs and the roofline picture.
gpu-report: $(VENV)/.bench
	$(BIN)/python -m halfstep.bench.gpu.results.report $(FILES) $(ARGS)

# The ladder of kernels as counted and compiled, without a card.
gpu-kernels: $(VENV)/.test
	$(BIN)/python -m halfstep.bench.gpu.static.page docs/gpu-kernels.md

# Registers, spills and load widths of every variant, to bench/gpu/static/kernels.json.
kernels-record: $(VENV)/.test
	$(BIN)/python -m halfstep.bench.gpu.static.record

# Both extras in environments of their own, which are downloaded, and every kernel by their compilers, for
# every architecture: ten minutes a core. ARGS="--architectures 90" for one of them.
gpu-install-proof:
	for extra in cuda12 cuda13; do \
		$(PYTHON) -m venv build/$$extra && build/$$extra/bin/pip install -q ".[$$extra]" \
		&& (cd build && $$extra/bin/python -m halfstep.bench.gpu.install_proof $(ARGS) > $$extra.jsonl) \
		&& tail -n 1 build/$$extra.jsonl || exit 1; \
	done

# CuPy in a folder of its own: tests of what is said where it is installed and no GPU is there.
$(VENV)/.cupy: $(VENV)/.test
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --upgrade \
		--target $(VENV)/cupy "cupy-cuda13x>=14,<15; sys_platform == 'linux'"
	touch $@

# One stamp per extra: installing again when pyproject.toml changes, and only then.
$(VENV)/.%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build docs/generated dist *.egg-info bench-report lab-report .pytest_cache .mypy_cache .ruff_cache
