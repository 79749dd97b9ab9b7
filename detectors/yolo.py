"""Ultralytics without its side effects: no telemetry, no installs, nothing under the home folder."""

from __future__ import annotations

import os
from typing import Any

from detectors.weights import cache_folder


def quiet() -> None:
    """Set what ultralytics reads while it is imported. Safe to call again; what the user set stays."""
    folder = cache_folder() / "ultralytics"
    folder.mkdir(parents=True, exist_ok=True)
    defaults = {"CONFIG_DIR": str(folder), "AUTOINSTALL": "false", "OFFLINE": "true", "VERBOSE": "false"}
    for name, value in defaults.items():
        os.environ.setdefault(f"YOLO_{name}", value)
    import torch  # noqa: F401  (before ultralytics, which otherwise holds it to one thread)
    from PIL import Image

    opener, threads = Image.open, os.environ.get("OMP_NUM_THREADS")
    import ultralytics.nn.tasks  # noqa: F401  (all that is used of it, so that nothing is put in place later)
    from ultralytics.utils import SETTINGS

    if threads is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    Image.open = opener  # ultralytics puts one in its place that wants to install packages for files it cannot read
    if SETTINGS.get("sync"):
        SETTINGS.update({"sync": False})


def segmentation_model(classes: int, config: str = "yolo11n-seg.yaml") -> Any:
    """Ultralytics' own segmentation network with random weights.

    Args:
        classes: number of classes.
        config: name of one of the architectures inside the ultralytics package.
    """
    quiet()
    from ultralytics.nn.tasks import SegmentationModel

    return SegmentationModel(config, nc=classes, verbose=False)
