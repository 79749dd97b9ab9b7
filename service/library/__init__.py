"""Suites that people have handed in, beside those that are built in."""
