"""Noise is left out of standard error, and nothing else."""

from __future__ import annotations

import os
import re

import pytest

from detectors.quieting import without_lines

NOISE = re.compile(rb"W\d{4} .*chatty\.cc")


def test_only_lines_that_match_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    with without_lines(NOISE):
        os.write(2, b"W0000 00:00:17 chatty.cc:12] hello\nE0000 00:00:17 chatty.cc:12] broken\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "E0000 00:00:17 chatty.cc:12] broken\n"
    os.write(2, b"W0000 00:00:17 chatty.cc:12] hello again\n")
    assert capfd.readouterr().err == "W0000 00:00:17 chatty.cc:12] hello again\n"


def test_what_was_written_before_an_error_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), without_lines(NOISE):  # noqa: PT012
        os.write(2, b"the model is broken\n")
        raise RuntimeError
    assert capfd.readouterr().err == "the model is broken\n"
