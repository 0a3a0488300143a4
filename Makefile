# fma_prep: `make run` shows the whole pipeline, `make test` proves it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The first interpreter that is new enough and can make an environment; override with `make PYTHON=…`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $$p && break; done)
ARCH ?= x86_64
FUZZ_SECONDS ?= 300
READY := .venv/.ready
BUILT := .venv/.built
# As an activated environment has it: spark-submit finds Spark's home, and the workers their Python.
ACTIVATE := PATH="$(CURDIR)/.venv/bin:$$PATH"; export PATH; JAVA_HOME="$$(python -m fma_prep.spark.java)"; export JAVA_HOME;
QUIET := --driver-java-options -Dlog4j2.configurationFile=fma_prep/spark/log4j2.properties

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements/dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 to 3.13 with venv was found. Install one, or say make PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip --disable-pip-version-check install --require-hashes -r requirements/dev.lock
	.venv/bin/python -m pip --disable-pip-version-check install --no-deps --no-build-isolation --quiet -e .
	@touch $@

# The subband decoder's native core; its compiler is a wheel too.
$(BUILT): $(READY) $(wildcard fma_prep/audio/subband_core/src/*.zig)
	.venv/bin/python -m fma_prep.audio.subband_core.build
	@touch $@

.PHONY: install
install: $(BUILT) ## make the virtual environment (.venv) from the lock

.PHONY: run
run: $(BUILT) ## the whole pipeline on an embedded example: no account, no server
	@$(ACTIVATE) python scripts/scrape.py demo/tracks
	@$(ACTIVATE) spark-submit $(QUIET) --master 'local[*]' jobs/digitize.py --max-failed 0.2 demo/tracks demo/dataset
	@$(ACTIVATE) python scripts/listen.py demo/dataset demo/listen.wav
	@$(ACTIVATE) python scripts/report.py demo/dataset

.PHONY: test
test: $(BUILT) ## all tests that a contributor must pass
	@$(ACTIVATE) python -m pytest --ignore=tests/cluster --ignore=tests/s3 --ignore=tests/browser

.PHONY: test-unit
test-unit: $(BUILT) ## the quick ones among them: no Spark, half a minute
	@$(ACTIVATE) python -m pytest -n auto --dist worksteal -m "not slow" --ignore=tests/cluster --ignore=tests/s3 --ignore=tests/browser --ignore=tests/spark

.PHONY: test-cluster
test-cluster: $(BUILT) ## the job on a real YARN and HDFS cluster, started here for it
	@$(ACTIVATE) python -m tests.cluster

.PHONY: test-s3
test-s3: $(BUILT) ## stores against a real S3 gateway with users
	@$(ACTIVATE) python -m pytest tests/s3

.PHONY: test-browser
test-browser: $(BUILT) ## the report page in a real browser (needs Chromium: scripts/ci_packages.sh installs it)
	@$(ACTIVATE) python -m pytest tests/browser

.PHONY: archive
archive: $(BUILT) ## all dependencies for the nodes of a cluster: dist/fma_prep-ARCH.tar.gz (ARCH=aarch64)
	@$(ACTIVATE) python -m fma_prep.audio.subband_core.build --arch $(ARCH)
	@$(ACTIVATE) python scripts/make_archive.py --arch $(ARCH)

.PHONY: fuzz
fuzz: $(BUILT) ## hostile bytes for the native core, guided by coverage: five minutes (FUZZ_SECONDS=60)
	@$(ACTIVATE) python -m fma_prep.audio.subband_core.fuzz tests/audio/subband_corpus --seconds $(FUZZ_SECONDS)

.PHONY: lint
lint: $(READY) ## ruff and mypy
	@$(ACTIVATE) ruff check . && ruff format --check . && mypy

.PHONY: bench
bench: $(BUILT) ## this pipeline beside the original one and the alternatives (most of an hour; BENCH=--smoke: minutes)
	@.venv/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/bench.lock
	@$(ACTIVATE) python scripts/benchmark.py $(BENCH)

.PHONY: lock
lock: ## bring the locks up to date with pyproject.toml (needs uv)
	uv pip compile -q $(LOCK) pyproject.toml -o requirements/nodes.lock
	uv pip compile -q $(LOCK) --all-extras --group dev -c requirements/nodes.lock pyproject.toml -o requirements/dev.lock
	uv pip compile -q $(LOCK) --group bench -c requirements/dev.lock pyproject.toml -o requirements/bench.lock
LOCK := --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

.PHONY: clean
clean: ## remove everything that was made here
	rm -rf .venv .cache build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
