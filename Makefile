# Two commands set themselves up on a machine that has Python >= 3.11, pip, venv and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint types check bench figures clean

demo: $(VENV)/.demo  ## Train the LSTM of the README, explain it, write report.html
	@$(BIN)/whygap demo

test: $(VENV)/.test  ## All tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.lint
	$(BIN)/mypy

check: test lint types  ## Everything that must pass before a change lands

bench: $(VENV)/.bench  ## The figures of the README and docs, printed: about an hour on two cores
	$(BIN)/python benchmarks/demo_exact.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/audit.py
	$(BIN)/python benchmarks/lab.py
	$(BIN)/python benchmarks/lab_mnist1d.py
	$(BIN)/python benchmarks/lab_double_descent.py
	$(BIN)/python benchmarks/lab_random_labels.py
	$(BIN)/python benchmarks/lab_on_ray.py
	$(BIN)/python benchmarks/redraws.py
	$(BIN)/python benchmarks/log_recovery.py
	$(BIN)/python benchmarks/log_overfitting.py
	$(BIN)/python benchmarks/log_signatures.py
	$(BIN)/python benchmarks/logs_speed.py
	$(BIN)/python benchmarks/logs_files_speed.py
	$(BIN)/python benchmarks/probe.py
	$(BIN)/python benchmarks/process.py
	$(BIN)/python benchmarks/process_accuracy.py
	$(BIN)/python benchmarks/process_truths.py
	$(BIN)/python benchmarks/process_same_bytes.py

figures: $(VENV)/.demo  ## The README's picture and numbers, made anew
	$(BIN)/python benchmarks/readme_figures.py

clean:
	rm -rf $(VENV) report.html

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("whygap needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

# A stamp per set of packages: made once, made again when what is asked for changes.
$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing what the demo needs (once; a minute or two)"
	@$(PIP) --editable '.[demo]'
	@touch $@

# torch first and pinned: a range would take the newest build, with gigabytes of CUDA libraries.
$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing what the tests need (once; a few minutes)"
	@$(PIP) torch
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.test
	@$(PIP) --editable '.[bench]'
	@touch $@

$(VENV)/.lint: $(VENV)/.test
	@$(PIP) --editable '.[test,lint]'
	@touch $@
