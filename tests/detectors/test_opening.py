"""Opening: nothing heavy before the first image, clear words for what is missing, and MediaPipe may be absent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detectors import Verdict, open_detectors
from detectors.errors import InvalidInput, MissingWeights
from detectors.weights import shipped_folder
from tests.detectors.cases import BOTH, PAIR, Judged, scene
from tests.detectors.public_models import write_all


def test_importing_detectors_imports_no_torch() -> None:
    program = "import sys, detectors; detectors.open_detectors(); print({'torch', 'mediapipe'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_opening_the_anime_profile_imports_nothing_heavy_either(tmp_path: Path) -> None:
    folder = write_all(tmp_path / "weights")
    program = (
        "import sys, detectors, pathlib; detectors.open_detectors('anime', weights=pathlib.Path(sys.argv[1])); "
        "print({'torch', 'mediapipe', 'onnxruntime', 'open_clip'} & set(sys.modules))"
    )
    place = {**os.environ, "BLEEDCHECK_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True, env=place
    )
    assert done.stdout.strip() == "set()"


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match=r"'oil'.*miniature"):
        open_detectors("oil")


def test_an_empty_weights_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=str(tmp_path)):
        open_detectors(weights=tmp_path)


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    for path in shipped_folder().iterdir():
        if path.is_file() and path.name != "hands.safetensors":
            shutil.copy(path, tmp_path)
    with pytest.raises(MissingWeights, match=r"hands\.safetensors"):
        open_detectors(weights=tmp_path)


def test_hands_are_judged_without_mediapipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(tmp_path))
    opened = open_detectors()
    assert opened.spec()["mediapipe"] == "absent"
    plain: tuple[tuple[str, int], ...] = ()
    for faults, verdict in ((plain, Verdict.HOLDS), ((("lost_hand", 0),), Verdict.FAILS)):
        judged = Judged(opened, scene("standing", *faults, people=PAIR[:1]), (100,), BOTH[:1])
        [finding] = judged.found("hands", "kei")
        assert finding.verdict is verdict
        assert finding.evidence["mediapipe"] == "absent"
