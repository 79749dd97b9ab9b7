"""The profile ``miniature``: small networks trained on the miniature's drawings, shipped with the package."""

from __future__ import annotations

from dataclasses import replace

from detectors.checks import AhogeBleed, AhogeMissing, Cast, Fusion, Hands
from detectors.profiles.spec import Method, Profile, Sees, Setting

_DRAWN = "benchmarks.accuracy, drawn set"


def _open(setting: Setting) -> Sees:
    from detectors.sight import Sight

    folder = setting.files["people"].parent
    sight = Sight.load(folder, setting.files.get("hand_landmarker"), setting.thresholds, setting.device)
    if setting.clip is not None:
        from detectors.openclip import OpenClip

        sight = replace(sight, likeness=OpenClip.load(setting.clip, setting.device).as_likeness())
    from detectors.inference import prepare_all

    prepare_all(sight)
    return sight


MINIATURE = Profile(
    name="miniature",
    domain="the miniature's pictures",
    methods={
        "cast": Method("people found by yolo11n-seg, matched by CLIP and attributes", Cast.networks, _DRAWN),
        "ahoge_bleed": Method(
            "head network on enlarged head crops: strand mask and state", AhogeBleed.networks, _DRAWN
        ),
        "ahoge_missing": Method("the same, for the owner", AhogeMissing.networks, _DRAWN),
        "fusion": Method("contact network on the window around both bodies", Fusion.networks, _DRAWN),
        "hands": Method(
            "hand network for arm ends and their state; MediaPipe as second opinion",
            (*Hands.networks, "hand_landmarker"),
            _DRAWN,
        ),
    },
    checks=(Cast, AhogeBleed, AhogeMissing, Fusion, Hands),
    opens=_open,
    weights=("people", "heads", "hands", "contact", "likeness"),
    optional=("hand_landmarker",),
    bases=("miniature",),
)
