"""Timings and their floors; never part of the tests. `make bench` runs them."""
