# Every target sets up .venv by itself; Python 3.11 or newer and make are all it takes.
.DEFAULT_GOAL := help
.PHONY: help demo serve test test-long test-services check fix quality bench build clean

OUT ?= out/demo
ARGS ?=
PY := .venv/bin/python
RUN := ./scripts/bootstrap run
DEV := ./scripts/bootstrap dev

# Many small matrix products: threads of the linear algebra only get into each other's way.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## run the main job on a generated search product, week 0 to 8; writes out/demo
	@$(RUN)
	@.venv/bin/tidegauge demo --out $(OUT) $(ARGS)

serve: ## show the service on four weeks of that product, with traffic going on; Ctrl-C ends it
	@$(RUN)
	@exec $(PY) scripts/serve_demo.py $(ARGS)

test: ## run the tests (ARGS="-k name" to choose)
	@$(DEV)
	@$(PY) -m pytest -n auto --maxprocesses 4 $(ARGS)

test-long: ## run the tests that take minutes
	@$(DEV)
	@$(PY) -m pytest -m long $(ARGS) || [ $$? = 5 ]

test-services: ## run the tests that need a real program: Chromium, PostgreSQL, Alertmanager, Prometheus
	@$(DEV)
	@CHROMIUM="$$(./scripts/chromium)" && ALERTMANAGER="$$(./scripts/alertmanager)" \
		&& PROMETHEUS="$$(./scripts/prometheus)" && export CHROMIUM ALERTMANAGER PROMETHEUS \
		&& $(PY) -m pytest -m service tests/services $(ARGS)

check: ## style, lint, types, floors
	@$(DEV)
	@./scripts/check

fix: ## mend style and simple lint, then check
	@$(DEV)
	@./scripts/check --fix

quality: ## measure false alarms and power; QUICK=1 for a few minutes
	@$(DEV)
	@$(PY) -m quality $(ARGS)

bench: ## measure speed and memory; QUICK=1 for a few minutes
	@$(DEV)
	@$(PY) -m bench $(ARGS)

build: ## build the wheel into dist/
	@$(DEV)
	@rm -rf dist
	@$(PY) -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove what was made here
	@rm -rf .venv out dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
