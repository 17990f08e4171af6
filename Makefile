# `make demo` and `make test` need Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
# What starts of runmend and the tests load: compiled once, also where Python is told not to write bytecode.
COMPILED := pydantic pydantic_core typer annotated_types typing_inspection typing_extensions.py yaml \
	databricks httpx httpcore httpx2 h11 anyio sqlglot requests urllib3 pathspec structlog psutil \
	certifi idna detect_secrets anthropic pytest _pytest hypothesis cryptography oci/_vendor oci/auth

.PHONY: demo test spark setup lint lock

demo: setup
	@$(BIN)/runmend demo

test: setup
	@$(BIN)/pytest -q -n auto -m "not slow and not spark and not live"

# Tasks and pipelines of the simulated workspace on real Spark: 400 MB to download, and Java 17.
spark: .venv-spark/ready
	@.venv-spark/bin/pytest -q -m spark

setup: .venv/ready

lint: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/codespell

# uv only makes it fast: the same lock file works with pip alone.
.venv/ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "runmend needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another: make PYTHON=python3.13")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv
	@$(BIN)/uv pip install -q -p $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q -p $(BIN)/python --no-deps -e .
	@cd .venv/lib/python3.*/site-packages && ../../../bin/python -m compileall -q -j 0 $(COMPILED) $(CURDIR)/agent
	@touch $@

.venv-spark/ready: pyproject.toml .ci/spark.lock .venv/ready
	@$(PYTHON) -m venv .venv-spark
	@$(BIN)/uv pip install -q -p .venv-spark/bin/python --require-hashes -r .ci/spark.lock
	@$(BIN)/uv pip install -q -p .venv-spark/bin/python --no-deps -e .
	@touch $@

COMPILE := uv pip compile -q --universal --generate-hashes --no-annotate --no-header --no-strip-extras --python-version 3.11 pyproject.toml --group dev

lock:
	$(COMPILE) --extra dbt -o requirements.lock
	$(COMPILE) --extra spark -o .ci/spark.lock
