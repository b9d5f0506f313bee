.PHONY: setup test check format docs pictures bench lowest all

setup:
	pip install -e '.[dev]' && pre-commit install

test:  # fast tests, under two minutes
	pytest

check:  # format, lint, types, imports
	ruff format --check .
	ruff check .
	mypy
	lint-imports

format:
	ruff format .
	ruff check --fix .

docs:  # the site, without a warning
	pip install -q '.[docs]'
	mkdocs build --strict

pictures:  # the pictures of README.md, from recorded decisions
	python docs/pictures.py

bench:  # minutes; alone on the machine
	pytest benchmarks -o addopts= -q --benchmark-only --benchmark-columns=min,median,rounds --benchmark-sort=name \
	  --benchmark-json benchmarks.json

lowest:  # a fresh environment with the lower bound of every dependency, and the tests in it
	python tools/lowest.py

all: check test
