PYTHON ?= python3
NUMPY ?= numpy
.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-torch test-browser parity test-with names mutants lint bench gallery clean

help:
	@echo "make demo   train the seed's network on the shipped digits; writes demo/report.html"
	@echo "make gallery  draw each kind of picture once; writes demo/gallery.html"
	@echo "make test   run the tests"
	@echo "make test-fast   core, ops, nn, optim and viz with few examples: less than a minute"
	@echo "make test-torch  the comparisons with PyTorch, in an environment that has it"
	@echo "make test-browser  the pages of graphs in headless Chromium, which has to be installed"
	@echo "make parity  all of torch.nn and torch.optim beside PyTorch's, and what is missing"
	@echo "make test-with PYTHON=python3.13 NUMPY='numpy==2.1.*' WITHOUT='llvmlite' TESTS=tests/nn   elsewhere; all optional"
	@echo "make names  write the lists of public names, and docs/numpy.md, from the files that define them"
	@echo "make mutants  plant faults one at a time and see whether tests catch them; writes docs/mutants.md"
	@echo "make lint   style, types, and imports by floors"
	@echo "make bench  measure beside peers; writes benchmarks/*.md"
	@echo "make clean  remove the environments and what the demo wrote"

# One virtual environment for each extra, made anew when the packaging changes.
.venv/%/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv --clear .venv/$*
	.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	touch $@

demo: .venv/all/ready
	.venv/all/bin/python notebooks/mnist.py

gallery: .venv/all/ready
	.venv/all/bin/python notebooks/gallery.py

test: .venv/test/ready
	.venv/test/bin/pytest --numprocesses 2 --durations 10

# The rooms on which all others stand and those that users see, each of their files, without what is marked slow.
FAST = tests/autograd/core tests/autograd/ops tests/nn tests/optim tests/viz tests/test_layers.py

test-fast: .venv/test/ready
	OPENBLAS_NUM_THREADS=1 .venv/test/bin/pytest --numprocesses 2 --gradients quick -m "not thorough and not slow and not torch" --ignore tests/optim/distributed $(FAST)

test-torch: .venv/torch/ready
	.venv/torch/bin/python -c "import torch"
	.venv/torch/bin/pytest --numprocesses 2 -m "torch and not thorough"

test-browser: .venv/browser/ready
	.venv/browser/bin/python -c "import playwright"
	.venv/browser/bin/pytest tests/viz/test_page_browser.py

parity: .venv/torch/ready
	.venv/torch/bin/python -m pullback.tests.parity
	.venv/torch/bin/python -m pullback.tests.parity.optim

test-with:
	$(PYTHON) -m venv --clear .venv/with
	.venv/with/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[test]" "$(NUMPY)"
	$(if $(WITHOUT),.venv/with/bin/python -m pip uninstall --quiet --yes $(WITHOUT))
	.venv/with/bin/pytest --numprocesses 2 $(TESTS)

names: .venv/test/ready
	.venv/test/bin/python tests/helpers/public_names.py
	.venv/test/bin/python tests/helpers/numpy_table.py

mutants: .venv/test/ready
	.venv/test/bin/python tests/mutants/run.py --write

lint: .venv/test/ready
	.venv/test/bin/ruff check .
	.venv/test/bin/ruff format --check .
	mkdir -p .venv/types && ln -sfn ../.. .venv/types/pullback
	MYPYPATH=.venv/types .venv/test/bin/mypy -p pullback
	.venv/test/bin/pytest tests/test_layers.py

bench: .venv/bench/ready
	.venv/bench/bin/python benchmarks/first_figures.py
	.venv/bench/bin/python benchmarks/overhead.py
	.venv/bench/bin/python benchmarks/stress.py
	.venv/bench/bin/python benchmarks/memory.py
	.venv/bench/bin/python benchmarks/scaling.py
	.venv/bench/bin/python benchmarks/pictures.py
	.venv/bench/bin/python benchmarks/speed.py
	.venv/bench/bin/python benchmarks/faults.py
	.venv/bench/bin/python benchmarks/flakes.py
	.venv/bench/bin/python benchmarks/foreign.py
	.venv/bench/bin/python benchmarks/accuracy.py

clean:
	rm -rf .venv demo
