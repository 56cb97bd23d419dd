# Every target sets up what it needs: a virtual environment in .venv, made of the wheels that requirements-dev.lock names by hash.
# Needs Python 3.11 or newer with venv, make and git; no root, no compiler.

# Where it is set, each worker of the tests compiles and rewrites all of them anew, every time.
unexport PYTHONDONTWRITEBYTECODE
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
PROOFS := stores kills cluster outages webhooks vendors exports
.PHONY: help demo test test-live lint bench $(PROOFS:%=proof-%) lock clean

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
UV ?= uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --no-emit-find-links
RUN := .venv/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
READY := .venv/.ready

help:
	@echo 'make demo    process a small recording with a damaged slice and show what was found'
	@echo 'make test    run every test'
	@echo 'make lint    ruff, mypy and the import contracts'
	@echo 'make bench   compare speed and memory with ffmpeg'
	@echo 'make proof-stores  10,000 reads and 300 uploads while three of ten requests fail'
	@echo 'make proof-kills   workers, loops and whole servers, killed at every change and at random'
	@echo 'make proof-cluster  300 recordings on three workers, of which one is killed and one sleeps past its lease'
	@echo 'make proof-outages  200 recordings while the server of Prefect is away, and while PostgreSQL crashes'
	@echo 'make proof-webhooks  10,000 webhooks at once, 20 kills in the middle, every order, 100,000 forgeries'
	@echo 'make proof-vendors  every script of the sandbox at every vendor, through aftertake serve, with no help'
	@echo 'make proof-exports  1,000 cuts played in Chromium, 10,000 cancels, kills and expiries, live recordings beside 50 exports'
	@echo 'make test-live  the store contract on the real buckets that AFTERTAKE_LIVE_STORES names'
	@echo 'make lock    resolve requirements.in and requirements-dev.in into their locks'
	@echo 'make clean   remove the virtual environment and everything that was built'

demo: $(READY)
	.venv/bin/aftertake demo

# Three on two cores: for a third of their time tests wait, for players, servers and leases.
test: $(READY)
	$(RUN) -m pytest -n 3 --dist loadgroup

test-live: $(READY)
	$(RUN) -m pytest tests/conformance -m live

lint: $(READY)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports

bench: $(READY)
	$(RUN) -m tests.benchmarks

$(PROOFS:%=proof-%): proof-%: $(READY)
	$(RUN) -m tests.proofs.$*

lock:
	$(COMPILE) requirements.in --output-file requirements.lock
	$(COMPILE) requirements-dev.in --constraints requirements.lock --output-file requirements-dev.lock

# The lock is its own constraint: to pip, a package with an extra is another one, which would take the newest release.
# setuptools comes first: oss2 and its crcmod have no wheels, and build isolation would fetch a setuptools without a hash.
# The stamp is written last, and `venv --clear` begins anew: a set-up that was interrupted is never trusted.
$(READY): requirements-dev.lock requirements.in pyproject.toml
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer was not found. Install it, or name it: make PYTHON=/path/to/python3.11 …' >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' || { echo '$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv
	$(PIP) --only-binary :all: --require-hashes -r <(sed -n '/^setuptools==/,/[^\\]$$/p' requirements-dev.lock)
	$(PIP) --only-binary :all: --no-binary oss2,crcmod --no-build-isolation --require-hashes -c requirements-dev.lock -r requirements-dev.lock
	$(PIP) --no-deps --no-build-isolation --no-index -e .
	touch $(READY)

clean:
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info demo-output bench-output
