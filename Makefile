PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help demo test mutants lint bench clean

help:
	@echo "make demo   train the seed's network on the shipped digits; writes demo/report.html"
	@echo "make test   run the tests"
	@echo "make mutants  plant faults one at a time and see whether tests catch them; writes docs/mutants.md"
	@echo "make lint   style and types"
	@echo "make bench  measure beside peers; writes benchmarks/*.md"
	@echo "make clean  remove the environments and what the demo wrote"

# One virtual environment for each extra, made anew when the packaging changes.
.venv/%/ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv --clear .venv/$*
	.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	touch $@

demo: .venv/all/ready
	.venv/all/bin/python notebooks/mnist.py

test: .venv/test/ready
	.venv/test/bin/pytest --numprocesses 2

mutants: .venv/test/ready
	.venv/test/bin/python tests/mutants/run.py --write

lint: .venv/test/ready
	.venv/test/bin/ruff check .
	.venv/test/bin/ruff format --check .
	mkdir -p .venv/types && ln -sfn ../.. .venv/types/pullback
	MYPYPATH=.venv/types .venv/test/bin/mypy -p pullback

bench: .venv/bench/ready
	.venv/bench/bin/python benchmarks/first_figures.py
	.venv/bench/bin/python benchmarks/overhead.py
	.venv/bench/bin/python benchmarks/stress.py
	.venv/bench/bin/python benchmarks/speed.py
	.venv/bench/bin/python benchmarks/faults.py
	.venv/bench/bin/python benchmarks/flakes.py
	.venv/bench/bin/python benchmarks/foreign.py
	.venv/bench/bin/python benchmarks/accuracy.py

clean:
	rm -rf .venv demo
