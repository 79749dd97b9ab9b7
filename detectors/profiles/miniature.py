"""The profile ``miniature``: small networks trained on the miniature's drawings, shipped with the package."""

from __future__ import annotations

from dataclasses import replace

from detectors.checks import (
    AhogeBleed,
    AhogeMissing,
    Cast,
    EyeBleed,
    Face,
    FollowThrough,
    Fusion,
    Ghost,
    HairBleed,
    Hands,
    Identity,
    Limbs,
    OutfitBleed,
    Pose,
)
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
        "hair_bleed": Method(
            "head network's hair colour and length against everybody else's", HairBleed.networks, _DRAWN
        ),
        "eye_bleed": Method("head network's eye colour against everybody else's", EyeBleed.networks, _DRAWN),
        "outfit_bleed": Method(
            "body network's garment and colour against everybody else's", OutfitBleed.networks, _DRAWN
        ),
        "identity": Method("CLIP per person and attributes, own words against others'", Identity.networks, _DRAWN),
        "face": Method("face network on each head's crop", Face.networks, _DRAWN),
        "pose": Method("what each person does, by the body network, put together", Pose.networks, _DRAWN),
        "follow_through": Method(
            "the networks that answer bleed, asked for what was asked", FollowThrough.networks, _DRAWN
        ),
        "limbs": Method("body network on each person's crop", Limbs.networks, _DRAWN),
        "ghost": Method("body network on each person's crop", Ghost.networks, _DRAWN),
        "fusion": Method("contact network on the window around both bodies", Fusion.networks, _DRAWN),
        "hands": Method(
            "hand network for arm ends and their state, a closer look at each; MediaPipe as second opinion",
            (*Hands.networks, "hand_landmarker"),
            _DRAWN,
        ),
    },
    checks=(
        Cast,
        AhogeBleed,
        AhogeMissing,
        HairBleed,
        EyeBleed,
        OutfitBleed,
        Fusion,
        Hands,
        Limbs,
        Identity,
        Face,
        Ghost,
        Pose,
        FollowThrough,
    ),
    opens=_open,
    weights=("people", "heads", "hands", "contact", "likeness", "bodies", "faces", "ends"),
    optional=("hand_landmarker",),
    bases=("miniature",),
)
