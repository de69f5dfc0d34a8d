# `make` says what there is; every target sets up what it needs first.
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
SCENARIO ?= scenarios/quickstart.yaml

.PHONY: help run test lint docs schemas compiled setup system
help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' $(MAKEFILE_LIST) | awk -F': ' '{printf "  make %-9s %s\n", $$1, $$2}'

run: compiled  ## runs SCENARIO=scenarios/quickstart.yaml
	$(UV) run stack3d run $(SCENARIO)

test: compiled  ## all tests but the slow ones
	OMP_NUM_THREADS=1 $(UV) run --group docs --extra view pytest

lint: setup  ## style (ruff) and types (mypy)
	$(UV) run ruff check .
	$(UV) run ruff format --check .
	$(UV) run mypy

docs: setup  ## the manual in docs/_build/html; tests first, so that its tables hold their outcome
	-$(UV) run pytest tests/verification tests/validation --junitxml=docs/_build/tests.xml
	$(UV) run --group docs sphinx-build -W --keep-going -b html docs docs/_build/html
	$(UV) run --group docs sphinx-build -W --keep-going -b linkcheck docs docs/_build/links

schemas: setup  ## JSON Schemas beside the decks, after a change of stack3d/schema
	$(UV) run python docs/generate.py schemas

compiled: setup
	@$(UV) run python -m compileall -q stack3d  # a checkout holds none, and some systems write none: a start takes half as long again

setup: system $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)  ## compiler, libraries and uv; the environment comes with the first run
	@test "$@" != "$(MAKECMDGOALS)" || echo "setup: compiler, libraries and uv are there; \`make run\` or \`$(UV) sync\` fills .venv, then: $(UV) run stack3d new mine --kind package"

.tools/bin/uv:
	@python3 -m venv .tools || { echo "error: python3 cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@.tools/bin/pip install --quiet uv

system:
	@command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null || \
	  { echo "error: the form compiler needs a C compiler; on Debian or Ubuntu: apt-get install gcc libc6-dev" >&2; exit 1; }
	@for pair in libGLU.so.1:libglu1-mesa libXrender.so.1:libxrender1 libXcursor.so.1:libxcursor1 libXft.so.2:libxft2 libXinerama.so.1:libxinerama1; do \
	  /sbin/ldconfig -p 2>/dev/null | grep -q "$${pair%%:*}" || \
	  { echo "error: Gmsh needs $${pair%%:*}; on Debian or Ubuntu: apt-get install $${pair##*:}" >&2; exit 1; }; \
	done
