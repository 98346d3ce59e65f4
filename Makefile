# Every target sets up the environment itself when it is missing or its pins changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=
NAME ?=
PORT ?= 5000
export MLFLOW_DISABLE_TELEMETRY = true
export DO_NOT_TRACK = true

.DEFAULT_GOAL := help
.PHONY: help setup reproduce accept claim list test test-all lint report verify ui schema calibration stability environment bench package clean

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## create the environment (.venv); every other target does it when needed

# The stamp holds the Python version and the pins it was made from, so that a changed pin makes a new environment.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,dask]'
	@touch $(STAMP)

reproduce: $(STAMP) ## run every claim and compare with the committed verdicts
	@$(BIN)/claims reproduce $(ARGS)

claim: $(STAMP) ## run one claim: make claim CLAIM=topic/id
	@test -n "$(CLAIM)" || { echo "name a claim: make claim CLAIM=topic/id (make list shows them)"; exit 2; }
	@$(BIN)/claims run claim=$(CLAIM) $(ARGS)

accept: $(STAMP) ## copy changed evidence of the last run into reports/: make accept [CLAIM=topic/id]
	@$(BIN)/claims accept $(CLAIM)

list: $(STAMP) ## list the claims with their verdicts
	@$(BIN)/claims list

report: $(STAMP) ## build the pages from the committed evidence, and the site in build/site
	@$(BIN)/claims report

verify: report ## build the pages and check that they are as committed
	git diff --exit-code --stat reports/
	@new=$$(git ls-files --others --exclude-standard reports/); test -z "$$new" || { echo "not committed: $$new"; exit 1; }

ui: $(STAMP) ## MLflow in the browser: make ui [PORT=5000]
	@$(BIN)/claims ui --port $(PORT)

lint: $(STAMP) ## format and lint checks, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## lint, types and tests, under 10 minutes
	$(BIN)/python -m pytest -n 2 -m "not slow" $(ARGS)

test-all: lint ## the same with the slow proofs
	$(BIN)/python -m pytest -n 2 $(ARGS)

schema: $(STAMP) ## write the JSON Schema of claim files for editors
	$(BIN)/claims schema > conf/claim.schema.json

calibration: $(STAMP) ## error rates of the decision engine, into reports/calibration.md
	$(BIN)/python -m benchmarks.calibration reports/calibration.md

stability: $(STAMP) ## run every claim under base seeds 1 and 2, into reports/stability.md
	@$(BIN)/claims stability $(ARGS)

# Its folder holds an environment of its own and its own store, so that results of two sets of versions never meet.
APART = build/environments/$(NAME)
environment: $(STAMP) ## run the claims under other library versions, into reports/environments: make environment NAME=previous
	@test -n "$(NAME)" || { echo "name a file of conf/environments: make environment NAME=previous"; exit 2; }
	@mkdir -p $(APART)
	@$(BIN)/claims environment $(NAME) --constraints > $(APART)/wanted.txt || { cat $(APART)/wanted.txt; exit 2; }
	@cmp -s $(APART)/wanted.txt $(APART)/constraints.txt || { \
		$(PYTHON) -m venv --clear $(APART)/venv && \
		$(APART)/venv/bin/python -m pip install --quiet --constraint $(APART)/wanted.txt --editable '.[dask]' && \
		cp $(APART)/wanted.txt $(APART)/constraints.txt; }
	@$(APART)/venv/bin/claims environment $(NAME) $(ARGS)

bench: $(STAMP) ## measure the suite's own cost, into reports/benchmarks.md: make bench [ARGS='5 6']; takes hours
	$(BIN)/python -m benchmarks $(ARGS)

package: $(STAMP) ## build the package, into dist/
	$(BIN)/python -m build --no-isolation

clean: ## remove what make built, but for the environment and the store of replicates
	rm -rf build/reproduction* build/site .pytest_cache .mypy_cache .ruff_cache
