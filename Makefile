# demo and test set up what they need in .venv; a second call finds it there.
PYTHON ?= python3
BIN := .venv/bin
NEWEST := .venv-newest/bin
LIGHT := .venv-light/bin

.PHONY: demo test docs newest light audit torture release

# Said before anything is fetched: pip would only say it after torch.
TOO_OLD = stillright needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name a newer one: make PYTHON=python3.12
NEW_ENOUGH = @$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v < (3, 11) and sys.exit("$(TOO_OLD)" % v)'

.venv/installed: pyproject.toml constraints.txt
	$(NEW_ENOUGH)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train,dev]'
	touch $@

demo: .venv/installed
	$(BIN)/stillright demo

test: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	HF_HUB_OFFLINE=1 $(BIN)/pytest

# The site of docs/, in docs/_build; a warning is an error.
docs: .venv/installed
	$(BIN)/python -m sphinx -n -W --keep-going -b html docs docs/_build

# Kills, damages, faults and mutated inputs; an hour or two on two cores. A part, with another seed:
# `make torture TORTURE="--seed 7 --kills 20 --commands 2 --damages 10 --inputs 10000"`.
TORTURE ?=
torture: .venv/installed
	PYTHONPATH=benchmarks $(BIN)/python -m torture $(TORTURE)

# What an upgrade breaks: the newest releases of the extra train, past the bounds in pyproject.toml. First the versions
# that differ from constraints.txt, then tests/upstream, which names the cause, then everything else.
# `make newest TORCH=torch==2.13.0` keeps to one torch.
TORCH ?= torch
TRAIN = $(filter-out torch,$(shell sed -n '/^train = /,/^]/s/^ *"\([a-z-]*\).*/\1/p' pyproject.toml))
newest:
	$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .venv-newest
	$(NEWEST)/pip install --quiet $(TORCH)
	$(NEWEST)/pip install --quiet --editable '.[dev]' $(TORCH) $(TRAIN)
	$(NEWEST)/pip list --format freeze | grep -ivxFf constraints.txt
	$(NEWEST)/pytest tests/upstream; named=$$?; $(NEWEST)/pytest --ignore tests/upstream && exit $$named

# What needs no torch, quickly: for another Python, `make light PYTHON=python3.13`.
ROOMS := comparison config/test_config.py config/test_strict.py importers paper report scoring verdict \
	cli/test_cli_files.py cli/test_hostile.py cli/test_hostile_texts.py test_bounds.py test_messages.py test_progress.py \
	test_records.py test_stats.py test_stats_means.py
light:
	$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .venv-light
	$(LIGHT)/pip install --quiet --constraint constraints.txt '.[bleu,figures,judge]' \
		fsspec hypothesis pandas pytest pytest-xdist rouge-score scipy
	$(LIGHT)/pytest $(addprefix tests/,$(ROOMS))

# Known vulnerabilities of the pinned packages. Needs the network: pip-audit asks pypi.org, and without --strict it would
# pass where it gets no answer.
AUDIT := .venv-audit/bin
audit:
	$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .venv-audit
	$(AUDIT)/pip install --quiet pip-audit
	$(AUDIT)/pip-audit --strict --disable-pip --no-deps --requirement constraints.txt

# What is published, in dist/: built, checked, and tried in fresh environments of each Python that is found. Also with torch
# and a short demo: `make release RELEASE=--full`.
RELEASE ?=
release:
	$(NEW_ENOUGH)
	$(PYTHON) -m venv --clear .venv-release
	.venv-release/bin/pip install --quiet build twine
	.venv-release/bin/python -u scripts/release.py $(RELEASE)
