"""Noise is left out of standard error, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest

from detectors.quieting import without_lines

NOISE = re.compile(rb"W\d{4} .*chatty\.cc")


def test_only_lines_that_match_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    with without_lines(NOISE):
        os.write(2, b"W0000 00:00:17 chatty.cc:12] hello\nE0000 00:00:17 chatty.cc:12] broken\n")
    assert capfd.readouterr().err == "E0000 00:00:17 chatty.cc:12] broken\n"
    os.write(2, b"W0000 00:00:17 chatty.cc:12] hello again\n")
    assert capfd.readouterr().err == "W0000 00:00:17 chatty.cc:12] hello again\n"


def test_what_was_written_before_an_error_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), without_lines(NOISE):  # noqa: PT012
        os.write(2, b"the model is broken\n")
        raise RuntimeError
    assert capfd.readouterr().err == "the model is broken\n"


def test_a_line_that_is_not_finished_at_the_end_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with without_lines(NOISE):
        os.write(2, b"W0000 00:00:17 chatty.cc:12] hello\nworking ...")
    assert capfd.readouterr().err == "working ..."


def test_a_child_that_outlives_the_block_is_still_heard(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; input(); print('something broke', file=sys.stderr)"
    with without_lines(NOISE):
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        os.write(2, b"W0000 00:00:17 chatty.cc:12] hello\n")
    assert capfd.readouterr().err == ""
    os.write(2, b"our own\n")  # no longer behind the child's
    assert capfd.readouterr().err == "our own\n"
    child.communicate(b"\n", timeout=30)
    assert child.returncode == 0
    said, deadline = "", time.monotonic() + 10
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
        said = capfd.readouterr().err
    assert said == "something broke\n"


def test_much_is_passed_on_whole(capfd: pytest.CaptureFixture[str]) -> None:
    line = "x" * 99 + "\n"
    with without_lines(NOISE):
        for _ in range(3000):  # more than a pipe holds
            os.write(2, line.encode())
    assert capfd.readouterr().err == line * 3000
