# Each target does all the set-up that it needs; after the first one nothing is downloaded.
.DEFAULT_GOAL := help
.PHONY: help demo test check golden requirements clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1))) # some tests wait more than they work

# Compiled modules are kept even where the shell says otherwise: without them each process compiles PyTorch anew, 2 seconds.
export PYTHONDONTWRITEBYTECODE :=

help:  ## show the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.ready  ## train on 1,797 real scanned digits, infer the test images in 4 shards, write a report
	@$(BIN)/python -m examples.digits.demo --out build/demo

test: $(VENV)/.ready  ## run all tests
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: $(VENV)/.ready  ## lint, format, types, import rules, generated files
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
	@$(BIN)/python -m workflows.golden --check

golden: $(VENV)/.ready  ## write the generated workflow files anew
	@$(BIN)/python -m workflows.golden

COMPILE := $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-header
requirements: $(VENV)/.ready  ## pin the requirements anew, from pyproject.toml
	@echo uv | $(COMPILE) - -o requirements/uv.txt
	@$(COMPILE) --extra workflows --extra infer --extra cpu pyproject.toml -o requirements/run.txt
	@$(COMPILE) -c requirements/run.txt pyproject.toml -o requirements/core.txt
	@echo cyclonedx-bom | $(COMPILE) - -o requirements/sbom.txt
	@$(COMPILE) --extra infer --extra gpu -c requirements/run.txt pyproject.toml -o requirements/gpu.txt
	@$(COMPILE) --extra workflows --extra infer --extra cpu --extra dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt
	@$(COMPILE) --extra workflows --extra tools -c requirements/dev.txt pyproject.toml -o requirements/core-toolkit.txt
	@$(COMPILE) --extra workflows --extra infer --extra cpu --extra dev --extra benchmarks -c requirements/dev.txt pyproject.toml -o requirements/benchmarks.txt

$(VENV)/.ready: requirements/dev.txt requirements/uv.txt
	@echo "Setting up $(VENV) (once; about a minute on a fast line) …"
	@.ci/venv "$(PYTHON)" $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

clean:  ## remove what the targets made
	@rm -rf $(VENV) build
