# NeuroLens: two commands do it. `make lab` opens the course, `make test` checks it.

PYTHON ?= python3
PORT ?=
ARGS ?=
CPU ?=

BIN := .venv/bin
TORCH_CPU := https://download.pytorch.org/whl/cpu

.DEFAULT_GOAL := help
.PHONY: help lab test bench notebooks lint clean

help:  ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "  variables         PYTHON=python3.12  CPU=1 (torch without CUDA)  PORT=8899  ARGS='...'"

lab: .venv/.lab  ## install what is missing, check it, open the course in JupyterLab (PORT=, ARGS=)
	@$(BIN)/neurolens doctor
	@$(BIN)/neurolens lab $(if $(PORT),--port $(PORT)) $(ARGS)

test: .venv/.test  ## the whole suite; names what it skipped and why (ARGS= goes to pytest)
	@$(BIN)/python -m pytest $(ARGS)

bench: .venv-bench/.ready  ## time it against its peers (ARGS="loop maps" for some rows); README's table is made from it
	@.venv-bench/bin/python tests/benchmarks $(ARGS)

notebooks: .venv/.test  ## build and execute the notebooks from notebooks/src (ARGS="01" for one)
	@$(BIN)/python notebooks/build.py --execute $(ARGS)

lint: .venv/.dev  ## ruff, mypy, and: are the built notebooks up to date?
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python notebooks/build.py --check

clean:  ## remove what can be made again, but for .venv
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache tests/browser/screenshots
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# Each stamp says that this set of extras was installed as pyproject.toml has them now: the next start is quick.
.venv/.lab: pyproject.toml | .venv/.torch
	$(BIN)/python -m pip install --editable '.[lab]'
	@touch $@

.venv/.test: pyproject.toml | .venv/.torch
	$(BIN)/python -m pip install --editable '.[lab,test]'
	@touch $@

.venv/.dev: pyproject.toml | .venv/.torch
	$(BIN)/python -m pip install --editable '.[lab,test,dev]'
	@touch $@

# The peers' pins are old and clash with ours: they live in a venv of their own, which sees all of the other.
.venv-bench/.ready: pyproject.toml .venv/.test
	$(BIN)/python -m venv .venv-bench
	@echo "import site; site.addsitedir('$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")')" \
		> "$$(.venv-bench/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/neurolens.pth"
	.venv-bench/bin/python -m pip install $$($(BIN)/python -c "import tomllib; \
		print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['bench'])")
	@touch $@

.venv/.torch: | $(BIN)/pip
ifneq ($(CPU),)
	@if $(BIN)/python -c "import urllib.request as u; u.urlopen('$(TORCH_CPU)/', timeout=10)" 2>/dev/null; then \
		$(BIN)/python -m pip install --index-url $(TORCH_CPU) torch torchvision; \
	else \
		echo "CPU=1: $(TORCH_CPU) cannot be reached, so torch comes from the default index (a larger download)"; \
	fi
endif
	@touch $@

$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) is not here; install Python 3.11 or later, or name one: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
		echo "$(PYTHON) is $$($(PYTHON) -V); NeuroLens needs 3.11 or later: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c "import venv, ensurepip" 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
