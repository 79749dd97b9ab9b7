"""The user's experiment in small: every checkpoint of several runs, a whole suite, every check, with intervals.

``python -m benchmarks.experiment --run v1=FOLDER --run v2=FOLDER --out FOLDER`` generates and scores the grid in as
many worker processes as asked for and writes ``outcomes.jsonl`` and ``tables.md``. ``--pack FILE`` turns outcomes into
a small table (:mod:`benchmarks.experiment.findings`), from which ``--findings FILE`` makes the tables again.
"""
