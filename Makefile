# The handles of the project. Each works alone in a fresh clone and first sets up what it needs.

SHELL := /bin/bash
PYTHON := .venv/bin/python
# make e2e K=expression runs the tests pytest -k selects, M=mark those pytest -m selects; the other layers know both, too
SELECT = $(if $(K),-k "$(K)") $(if $(M),-m "$(M)")

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test unit contract integration e2e molecule lint docs bench campaign lab clean

help:
	@echo 'make demo         boot a lab of six hosts, run the main job on it and show it'
	@echo 'make test         what CI runs: unit, lint, contract, integration, and the story of e2e'
	@echo 'make lint         every static gate (GATE=name for one of tests/tools/lint.py)'
	@echo 'make unit         the logic, against an etcd inside the process'
	@echo 'make contract     the same etcd compared with real ones, 3.4 to 3.6'
	@echo 'make integration  the plugins, with real etcd and the oldest and newest ansible-core'
	@echo 'make e2e          every test on the lab'
	@echo '                  K=expression selects tests in these four, as pytest -k does'
	@echo 'make molecule     a scenario for each role, on the lab (S=name runs one)'
	@echo 'make docs         the documentation site, into build/docs/html'
	@echo 'make bench        our figures beside those of our peers, into build/bench.json'
	@echo 'make campaign     malformed answers, thousands of nodes, random faults, into build/campaign.json'
	@echo 'make lab          boot the lab and leave it running'
	@echo 'make setup        only what the others need: Debian packages, .venv, .venv-newest'
	@echo 'make clean        destroy the lab, remove build/ and the caches'

setup:
	@tests/tools/setup.sh

demo: setup
	@tests/demo.sh

test: setup
	@$(PYTHON) -m tests.tools.suite

lint: setup
	@tests/tools/lint.sh $(GATE)

unit: setup
	@tests/tools/pytest.sh unit $(SELECT)

contract: setup
	@$(PYTHON) -m tests.tools.etcd_binaries
	@tests/tools/pytest.sh contract $(SELECT)

integration: setup
	@tests/tools/pytest.sh integration $(SELECT)

e2e: setup
	@tests/tools/pytest.sh e2e --timeout 1800 $(SELECT)

docs: setup
	@tests/tools/docs.sh

molecule: setup
	@tests/tools/molecule.sh $(S)

bench: setup
	@$(PYTHON) -m tests.bench

campaign: setup
	@$(PYTHON) -m tests.campaign

lab: setup
	@$(PYTHON) -m tests.lab create

clean:
	@tests/tools/clean.sh
