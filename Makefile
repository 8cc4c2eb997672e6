# `make demo` and `make test` do all the set-up themselves; they need git, make and Python 3.11, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3.11
BIN := .venv/bin
UV_VERSION := 0.13.9
# A folder or page with CPU builds of torch, for machines without a GPU: make setup TORCH_FIND_LINKS=...
TORCH_FIND_LINKS ?= $(PIP_FIND_LINKS)
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true

# dbt's manifest, from which Airflow makes a task of each model. Parsing opens no warehouse.
MANIFEST := dbt_project/target/manifest.json
DBT_FILES := $(shell find dbt_project -type f -not -path '*/target/*' -not -path '*/logs/*')

COMPOSE ?= docker compose

# Most of a test's time is one process starting after another, so two at once use two cores. Files that
# say `xdist_group` stay on one worker, which makes what they share once.
WORKERS ?= -n 2 --dist loadgroup

.PHONY: help setup demo up bi down init compose-up compose-down test test-all test-rest bench lint format lock clean

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready .venv-airflow/.ready $(MANIFEST) ## Make both environments from the pinned constraint files

.venv/.ready: requirements/main.in requirements/main.txt requirements/encoders.txt pyproject.toml
	@echo "Set-up: about 3 to 6 minutes and 4 GB with a CPU build of torch."
	@echo "Where pip finds only the CUDA build it is about 5 GB more; for a CPU-only install give"
	@echo "  make setup TORCH_FIND_LINKS=<folder or page with torch's CPU wheels>"
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON) on this machine: install Python 3.11"; exit 1; }
	$(PYTHON) -m venv .venv || { echo "the venv module is missing: install python3.11-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(if $(TORCH_FIND_LINKS),--find-links "$(TORCH_FIND_LINKS)") \
		-r requirements/main.in -c requirements/main.txt
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements/encoders.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

.venv-airflow/.ready: requirements/airflow.in requirements/airflow.txt .venv/.ready
	$(PYTHON) -m venv .venv-airflow
	$(BIN)/uv pip install --quiet --compile-bytecode --python .venv-airflow/bin/python \
		-r requirements/airflow.in -c requirements/airflow.txt
	@touch $@

.venv-superset/.ready: requirements/superset.in requirements/superset.txt .venv/.ready
	$(PYTHON) -m venv .venv-superset
	$(BIN)/uv pip install --quiet --compile-bytecode --python .venv-superset/bin/python \
		-r requirements/superset.in -c requirements/superset.txt
	@touch $@

$(MANIFEST): .venv/.ready $(DBT_FILES)
	NIGHTMARKET_AS_OF=2000-01-01 $(BIN)/dbt --quiet parse --project-dir dbt_project --profiles-dir dbt_project
	@touch $@

up: setup ## Start Airflow and MLflow on 127.0.0.1
	$(BIN)/nightmarket up

bi: setup .venv-superset/.ready ## Superset with the dashboards on 127.0.0.1, over a warehouse on PostgreSQL
	$(BIN)/nightmarket bi

down: ## Stop what `make up`, `make demo` or `make bi` started
	@if [ -x $(BIN)/nightmarket ]; then $(BIN)/nightmarket down; else echo "nothing was set up here"; fi

init: ## Make the secrets of the served stack, and its .env
	$(PYTHON) -m pipelines.serve.init

compose-up: ## Build and start the served stack; after `make init`
	@test -d secrets || { echo "no secrets here: run \`make init\` first"; exit 1; }
	$(COMPOSE) up --build --detach

compose-down: ## Stop the served stack; its volumes stay
	$(COMPOSE) down

demo: setup ## One shop, a year of history, three nights in Airflow, a summary
	$(BIN)/nightmarket doctor
	$(BIN)/nightmarket demo

test: setup ## Units, policies, laws on a tiny shop, one real night (aim: 15 minutes on 2 cores)
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"
	AIRFLOW_HOME=$(CURDIR)/build/airflow .venv-airflow/bin/python -m pytest tests/plugins

test-rest: setup .venv-superset/.ready ## What test-all adds: every kill point, every engine, Airflow end to end, a browser
	$(BIN)/python -m pytest $(WORKERS) -m slow

test-all: test test-rest ## Everything (more than an hour on 2 cores)

bench: setup ## Run the benchmarks: make bench SEQUENCES=a file of the S3-Rec form SHOP=a folder of daily UCI files [REVIEWS= SEARCH=]
	@test -n "$(SEQUENCES)" -a -n "$(SHOP)" || { echo "usage: make bench SEQUENCES=<file of the S3-Rec form> SHOP=<folder of daily UCI CSV files> [REVIEWS=<file of reviews>] [SEARCH=<file of judged pairs>]"; exit 2; }
	$(BIN)/python -m benchmarks.everything --sequences "$(SEQUENCES)" --shop "$(SHOP)" --reviews "$(REVIEWS)" --search "$(SEARCH)"

lint: setup ## ruff, mypy, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests

format: setup ## Let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## Resolve each file of requirements/*.in into its pinned constraint file
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links \
		$(if $(TORCH_FIND_LINKS),--find-links "$(TORCH_FIND_LINKS)") --upgrade-package torch requirements/main.in -o requirements/main.txt
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links \
		requirements/airflow.in -o requirements/airflow.txt
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links \
		requirements/superset.in -o requirements/superset.txt
	sed -i 's/+cpu$$//' requirements/main.txt

clean: down ## Remove the environments and what the demo wrote
	rm -rf .venv .venv-airflow .venv-superset dbt_project/target var
