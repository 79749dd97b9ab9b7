"""A made-up evaluation for looking at the page: ``python -m tests.reports.sample FOLDER [drawings]``.

Outcomes are drawn by chance, worse for v1 and for late epochs, and stand for nothing. With ``drawings`` every cell
gets a picture by the miniature's renderer, in which the failures of its findings are drawn.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.miniature.scenes import KANA, KEI, Failure, Scene
from detectors.findings import Finding, Severity, Verdict
from service.reports import ReportImage, ReportScenario, ReportView, build_view, render_report
from service.suites import Suite, load_suite

CHECKPOINTS = [("control", None)] + [(run, epoch) for run in ("v1", "v2") for epoch in (36, 76, 112, 150)]
TROUBLE = {"control": 0.75, "v1": 0.28, "v2": 0.06}
KINDS = {
    ("ahoge_bleed", "clear"): "ahoge_bleed",
    ("ahoge_bleed", "minor"): "ahoge_tuft",
    ("hands", "lost"): "lost_hand",
    ("hands", "fused"): "fused_hand",
    ("hands", "minor"): "minor_hand",
    ("fusion", "clear"): "fused_bodies",
    ("cast", "clear"): "extra_person",
    ("eye_bleed", "clear"): "eye_color",
    ("outfit_bleed", "clear"): "outfit",
    ("face", "clear"): "broken_face",
    ("ghost", "clear"): "doubled",
    ("limbs", "clear"): "extra_leg",
}
POSES = {"together": "together", "hug": "hug", "piggyback": "piggyback", "kei-solo": "standing"}


def finding(check: str, rng: np.random.Generator, trouble: float) -> Finding:
    """One finding by chance: it fails with probability ``trouble``."""
    character = {"ahoge_bleed": "Kei", "hands": "Kei"}.get(check)
    draw = rng.random()
    x, y = (float(value) for value in rng.uniform(60, 150, 2))
    evidence = {"box": [x, y, x + 48.0, y + 44.0]}
    if draw < trouble:
        severity = Severity(str(rng.choice(["lost", "fused"]))) if check == "hands" else Severity.CLEAR
        return Finding(check, Verdict.FAILS, f"{check}-net", "3", character, severity, 1 - draw, evidence)
    if draw < trouble + 0.06 and check in ("hands", "ahoge_bleed"):
        return Finding(check, Verdict.MINOR, f"{check}-net", "3", character, Severity.MINOR, 0.4, evidence)
    if draw > 0.96:
        reason = "The hand is smaller than 12 pixels." if check == "hands" else "The people could not be told apart."
        return Finding(check, Verdict.NOT_MEASURABLE, f"{check}-net", "3", character, reason=reason)
    return Finding(check, Verdict.HOLDS, f"{check}-net", "3", character, None, draw / 9, evidence)


def sample_images(suite: Suite, seed: int = 0) -> list[ReportImage]:
    """Every cell of the suite for two runs and the control."""
    rng = np.random.default_rng(seed)
    images = []
    for run, epoch in CHECKPOINTS:
        late = 0.0 if epoch is None else 0.12 * max(0, epoch - 112) / 38
        for scenario, number in suite.cells():
            trouble = (TROUBLE[run] + late) * (0.4 if scenario.name == "kei-solo" else 1.0)
            findings = tuple(finding(check, rng, trouble / 2) for check in scenario.checks)
            # One in 101 cells, whatever the generator draws, so that the page always has such a picture to show.
            invalid = "The picture is almost one colour." if len(images) % 101 == 50 else None
            key = f"{run}-{epoch}-{scenario.name}-{number}"
            found = () if invalid else findings
            images.append(ReportImage(run, epoch, scenario.name, number, key, 256, 256, found, invalid))
    return images


def sample_view(images: list[ReportImage], suite: Suite) -> ReportView:
    """The view of those images."""
    return build_view(
        images,
        [ReportScenario(scenario.name, scenario.prompt, scenario.checks) for scenario in suite.scenarios],
        title="Kei and Kana, v1 against v2",
        base="miniature",
        suite=f"{suite.name} {suite.version}",
        picture_url=lambda key: f"pictures/{key}.png",
        facts={
            "sampler": "er_sde, simple, 8 steps, guidance 1.0",
            "size": "256 × 256",
            "suite hash": suite.content_hash,
        },
    )


def draw_pictures(images: list[ReportImage], suite: Suite, folder: Path) -> None:
    """A drawing for every image, with its failures in it."""
    import cv2

    from benchmarks.miniature.drawing import draw

    folder.mkdir(parents=True, exist_ok=True)
    for image in images:
        said = [(found.check, str(found.severity)) for found in image.findings if found.severity]
        kinds = [KINDS[each] for each in said if each in KINDS]
        cast = suite.scenario(image.scenario).cast
        failures = tuple(Failure(kind) for kind in kinds if len(cast) == 2 or kind != "fused_bodies")
        people = tuple({"Kei": KEI, "Kana": KANA}[name] for name in cast)
        background = "park" if image.scenario == "hug" else "simple background"
        scene = Scene(people, POSES[image.scenario], "middle", background, failures, seed=image.seed)
        pixels = draw(scene).image if image.invalid is None else np.full((256, 256, 3), 118, np.uint8)
        cv2.imwrite(str(folder / f"{image.key}.png"), pixels[..., ::-1])


def main() -> None:
    """Write ``report.html`` and, if asked, its pictures."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    suite = load_suite("demo")
    images = sample_images(suite)
    (folder / "report.html").write_text(render_report(sample_view(images, suite)), encoding="utf-8")
    if "drawings" in sys.argv[2:]:
        draw_pictures(images, suite, folder / "pictures")


if __name__ == "__main__":
    main()
