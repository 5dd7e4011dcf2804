# Every target sets up first what it needs; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# small models that the demo trains at a time: of the cores, and of 2 GB of free memory, one each; four are all there are
PACK = $(shell $(BIN)/python -c 'import os, psutil; print(max(1, min(4, os.cpu_count(), psutil.virtual_memory().available >> 31)))')

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slurm lint check docs bench bench-gpu lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the pinned dependencies

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Give another: make PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "Making .venv ..."; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[0-9.]*' requirements.lock)"
	@echo "Installing the pinned packages into .venv: 6.5 GB, most of it PyTorch's. Once, about two minutes; less where uv has them."
	@VIRTUAL_ENV=.venv $(BIN)/python -m uv pip sync --quiet --require-hashes --compile-bytecode requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/python -m uv pip install --quiet --no-deps --editable .
	@echo "Installed."
	@touch $@

demo: $(READY) ## train four small models on real digits, break them, show what comes out
	@echo "Four models, $(PACK) at a time, about a minute in all; importing PyTorch takes the first ten seconds."
	$(BIN)/python train.py -m perturb=noise,blur,pixel pack=$(PACK)

test: $(READY) ## run the tests, in two processes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-slurm: $(READY) ## run sweeps through a Slurm that this installs (Debian, as root), starts here and stops again
	tests/slurm/with_slurm.sh $(BIN)/python -m pytest tests/slurm

lint: $(READY) ## format and lint (ruff), types (mypy), import contract (import-linter)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint test ## all that CI runs

docs: $(READY) ## build the site (docs/_build/html), its gallery from our own code, two minutes on one core
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html

bench: $(READY) ## measure our speed against what else there is (writes results/bench/)
	$(BIN)/python -m benchmarks

bench-gpu: $(READY) ## measure many runs on one GPU, or on the CPU where there is none (writes results/bench/gpu/)
	$(BIN)/python -m benchmarks.gpu

lock: $(READY) ## pin the newest versions of the dependencies again
	VIRTUAL_ENV=.venv $(BIN)/python -m uv pip compile pyproject.toml --extra dev --universal --upgrade --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock

clean: ## remove what was installed and cached, not runs
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info docs/_build docs/gallery_built
