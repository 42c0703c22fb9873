# Every target sets up what it needs; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SERVICE := tests/client_project
SERVICE_VENV := $(VENV)/client-project
SERVICE_READY := $(SERVICE_VENV)/.ready
SUPPLY_VENV := $(VENV)/supply
PICTURES_VENV := $(VENV)/pictures
PEERS := deploy/bench/peer_programs
export PYTHONPATH := $(CURDIR):$(CURDIR)/producers/client
# Dozens of processes import the same modules; an environment that forbids bytecode would have each compile them anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
PYTHON_OF_SERVICE := env -u PYTHONPATH $(SERVICE_VENV)/bin/python
.PHONY: help setup demo test test-all test-client test-pure faults faults-points faults-hangs faults-mutants faults-recovery lint sbom licences audit manifests pictures bench bench-table schemas lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

setup: $(READY) ## make the virtual environment from the lock file and fetch Kafka's jars

$(READY): requirements.lock deploy/stack/kafka-jars.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Burnline needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Choose one with: make setup PYTHON=python3.11")'
	@echo "setting up: Python packages (about 0.5 GB to download, one or two minutes) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "setting up: Apache Kafka ..."
	@$(BIN)/python -m deploy.stack.install
	@touch $(READY)

demo: $(READY) ## start the stack, replay a company's day, show what Burnline found (KEEP=0 stops it afterwards)
	@$(BIN)/python -m deploy demo

test: ## run every test that this machine can run
	@$(MAKE) --no-print-directory -j 3 lint test-client test-all

test-all: $(READY) ## pytest alone, as `make test` runs it
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

$(SERVICE_VENV)/.packages: $(SERVICE)/requirements.lock
	@echo "setting up: the packages of openai and anthropic, for a service that uses burnline-client ..."
	@test -x $(SERVICE_VENV)/bin/python || { mkdir -p $(VENV) && $(PYTHON) -m venv $(SERVICE_VENV); }
	@$(PYTHON_OF_SERVICE) -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r $(SERVICE)/requirements.lock
	@touch $@

$(SERVICE_READY): $(SERVICE_VENV)/.packages producers/client/pyproject.toml $(wildcard producers/client/burnline_client/*.py)
	@rm -rf $(SERVICE_VENV)/source && cp -R producers/client $(SERVICE_VENV)/source
	@$(PYTHON_OF_SERVICE) -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation \
		--force-reinstall $(SERVICE_VENV)/source
	@touch $@

test-client: $(SERVICE_READY) ## run the tests of a service that uses burnline-client, in an environment of its own
	@cd $(SERVICE) && env -u PYTHONPATH $(abspath $(SERVICE_VENV))/bin/python -m pytest

test-pure: $(READY) ## run the tests that start no server (seconds)
	@$(BIN)/python -m pytest -n 2 -m "not real" tests/unit tests/laws tests/golden tests/house tests/scenarios tests/bad_config tests/faults

faults: $(READY) ## hurt a stack at random and check every number afterwards (MINUTES=10 KILLS=n SEED=any EVERY=7 RATE=200)
	@$(BIN)/python -m tests.faults --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(EVERY),--every $(EVERY)) $(if $(RATE),--rate $(RATE)) $(if $(WINDOW),--window $(WINDOW)) \
		$(if $(DISK),--disk $(DISK)) $(if $(WIDE),--wide) $(if $(KEEP),--keep)

faults-points: $(READY) ## processes die once at each named place between the steps of their loops
	@$(BIN)/python -m tests.faults --points --rate 100

faults-hangs: $(READY) ## processes that live and do nothing must be ended and back within 30 s
	@$(BIN)/python -m tests.faults --hangs --rate 100

faults-mutants: $(READY) ## take each guard away: the checks must notice (NAMES='"no token" ...' for some)
	@$(BIN)/python -m tests.faults --mutants $(NAMES)

faults-recovery: $(READY) ## time from kill -9 of burn to the next alert, with ENTITIES=100000 active ones
	@$(BIN)/python -m tests.faults --recovery $(or $(ENTITIES),100000)

lint: $(READY) ## ruff, mypy strict, the import contracts, and known vulnerabilities where they can be asked for
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary .
	@$(BIN)/lint-imports --no-cache > .lint-imports.log || (cat .lint-imports.log; rm -f .lint-imports.log; exit 1)
	@rm -f .lint-imports.log
	@$(BIN)/python -m deploy.supply audit-if-reachable

sbom: $(READY) ## print the bill of materials (CycloneDX) of what the lock files name
	@$(BIN)/python -m deploy.supply sbom

licences: $(READY) ## print which package has which licence
	@$(BIN)/python -m deploy.supply licences

audit: $(READY) ## look for known vulnerabilities in the locked packages and jars (needs a network with the advisories)
	@$(BIN)/python -m deploy.supply audit

manifests: $(READY) ## check the Kubernetes manifests against Kubernetes' own schemas, after a change of them
	@test -x $(SUPPLY_VENV)/bin/kubernetes-validate || { $(PYTHON) -m venv $(SUPPLY_VENV) && \
		$(SUPPLY_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/supply/requirements.lock; }
	@$(BIN)/python -m deploy.kubernetes > $(SUPPLY_VENV)/burnline.json
	@cd $(SUPPLY_VENV) && bin/python $(CURDIR)/deploy/supply/check_manifests.py burnline.json $(CURDIR)/deploy/kubernetes/checked.txt

pictures: $(READY) ## draw the dashboards from what the running demo answers (STATE_DIR=... SINCE="burnline-burn=now-1h ...")
	@test -x $(PICTURES_VENV)/bin/fonttools || { $(PYTHON) -m venv $(PICTURES_VENV) && \
		$(PICTURES_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/dashboards/pictures.lock; }
	@$(BIN)/python -m deploy.dashboards.answers $(or $(STATE_DIR),.burnline/demo) $(SINCE) > $(PICTURES_VENV)/answers.json
	@$(PICTURES_VENV)/bin/python deploy/dashboards/draw.py deploy/grafana/dashboards $(PICTURES_VENV)/answers.json docs/pictures

bench: $(READY) ## measure everything anew, each in minutes (leave the machine alone meanwhile), and write the table
	./burnline bench rating --workers 1,2,4 --events 100000 --rounds 3 --save bench
	./burnline bench rebalance --save bench
	./burnline bench rating --pieces --rounds 4 --warm-events 260000 --save bench
	./burnline bench peers --events 200000 --rounds 3 --save bench
	./burnline bench end-to-end --seconds 40 --save bench
	./burnline bench latency --seconds 40 --save bench
	./burnline bench memory --save bench
	./burnline bench burn --save bench
	./burnline bench sink --save bench
	./burnline bench query --save bench
	@$(MAKE) --no-print-directory bench-table

bench-table: $(READY) ## write the last results of the benchmarks (bench/*.json) into the README
	@$(BIN)/python -m deploy.bench.last_results

schemas: $(READY) ## write the generated JSON Schemas and view DDL again
	@$(BIN)/python -m schemas.generate

lock: ## resolve the dependencies anew into the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header $(SERVICE)/requirements.in -o $(SERVICE)/requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(PEERS)/requirements.in -o $(PEERS)/requirements.lock

clean: ## remove the virtual environment and local state (asks nothing)
	rm -rf $(VENV) .burnline .mypy_cache .ruff_cache .pytest_cache .hypothesis
