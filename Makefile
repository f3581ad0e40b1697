# `make run` opens the app, `make test` runs every test, `make wheel` builds dist/*.whl; all do their own set-up on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
VENDOR := assets/player/vendor/3Dmol-min.js

.PHONY: run test bench lint lock wheel clean
.DELETE_ON_ERROR:

run: $(VENV)/.app $(VENDOR)
	$(BIN)/n2c run --port $(PORT)

test: $(VENV)/.test $(VENDOR) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal --durations 20

BENCHES := $(filter-out report,$(basename $(notdir $(wildcard tests/benchmarks/*.py))))

bench: $(VENV)/.test $(VENDOR)
	for bench in $(BENCHES); do $(BIN)/python -m tests.benchmarks.$$bench || exit 1; done

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(VENV)/.app $(VENDOR)
	@test -s $(VENDOR) || { echo "the 3-D engine is missing: npm fetches it, then run make wheel again"; exit 1; }
	rm -rf build dist
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

$(VENV)/.app: requirements.txt pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 13), "Python 3.11 or 3.12 is needed: make PYTHON=python3.11"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test: $(VENV)/.app requirements-test.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

$(VENDOR):
	mkdir -p $(@D)
	@cd $(@D) && npm pack --silent 3dmol@2.5.5 >/dev/null && tar -xzf 3dmol-2.5.5.tgz \
	  && cp package/build/3Dmol-min.js package/LICENSE . && rm -r package 3dmol-2.5.5.tgz \
	  || echo "3Dmol.js was not fetched (no npm or no network): crystals will ask its public address instead"

# constraints.txt anew: the versions that pip chooses today in a fresh environment, without the build names of one machine (torch's +cpu)
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --requirement requirements.txt --requirement requirements-test.txt
	build/lock/bin/python -c 'import platform; print("# Exact versions for make run and make test, on Python 3.11 and 3.12; written by make lock with Python", platform.python_version())' > build/lock.txt
	build/lock/bin/pip freeze --all --exclude pip | grep "==" | sed "s/+.*//" >> build/lock.txt
	mv build/lock.txt constraints.txt && rm -rf build/lock

clean:
	rm -rf $(VENV) assets/player/vendor build dist
