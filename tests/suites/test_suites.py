"""Suites: the built-in ones, and complaints that point at the line."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from benchmarks.miniature import scenes
from benchmarks.miniature.training_sets import OTHER_OUTFITS
from detectors import Expectation
from service.errors import UnknownSuite
from service.suites import Suite, list_suites, load_suite, parse_suite
from service.suites.models import CheckName

SMALL = """\
name: small
version: 1
characters:
  - name: Kei
    trigger: keichan
    attributes: {hair_color: blonde, ahoge: false}
  - name: Kana
    trigger: kanachan
scenarios:
  - name: hug
    prompt: 2girls, keichan, kanachan, hug
    cast: [Kei, Kana]
    pose: hug
    contact: true
    checks: [cast, fusion]
seeds: [1, 2]
"""


def complaint(text: str) -> str:
    with pytest.raises(UnknownSuite) as caught:
        parse_suite(text, source="mine.yaml")
    return str(caught.value)


def test_built_in_suites_are_listed_and_load_by_name() -> None:
    assert list_suites() == ("demo", "keikana", "starter")
    for name in list_suites():
        assert load_suite(name).name == name


def test_the_demo_is_four_scenarios_by_six_seeds() -> None:
    demo = load_suite("demo")
    assert [scenario.name for scenario in demo.scenarios] == ["together", "hug", "piggyback", "kei-solo"]
    assert len(demo.seeds) == 6
    assert len(demo.cells()) == 24
    assert demo.cells()[0] == (demo.scenarios[0], demo.seeds[0])


def test_the_full_suite_covers_every_pair_pose_and_distance() -> None:
    suite = load_suite("keikana")
    assert len(suite.scenarios) >= 10
    assert len(suite.seeds) == 16
    assert {"piggyback", "princess_carry", "lap_sit", "hug", "together"} <= {
        scenario.pose for scenario in suite.scenarios
    }
    assert {scenario.distance for scenario in suite.scenarios} == set(scenes.DISTANCES)


@pytest.mark.parametrize("name", ["demo", "keikana"])
def test_built_in_prompts_start_with_quality_then_count(name: str) -> None:
    for scenario in load_suite(name).scenarios:
        count = "1girl" if len(scenario.cast) == 1 else "2girls"
        assert scenario.prompt.startswith(f"masterpiece, best quality, score_7, safe, {count}, ")


@pytest.mark.parametrize("name", ["demo", "keikana"])
def test_built_in_characters_own_what_the_drawings_show(name: str) -> None:
    looks = {"Kei": scenes.KEI, "Kana": scenes.KANA}
    for character in load_suite(name).characters:
        look = looks[character.name]
        owned = character.attributes
        assert owned.model_dump() == {
            "hair_color": look.hair_color,
            "hair_length": look.hair_length,
            "ahoge": look.ahoge,
            "eye_color": look.eye_color,
            "outfit": f"{look.outfit_color} {look.outfit}",
            "outfits": tuple(f"{color} {outfit}" for outfit, color in OTHER_OUTFITS[character.trigger]),
        }


def test_an_expectation_speaks_the_detectors_language() -> None:
    expectation = load_suite("demo").expectation("piggyback")
    assert isinstance(expectation, Expectation)
    assert [character.trigger for character in expectation.cast] == ["keichan", "kanachan"]
    assert expectation.cast[0].attributes.ahoge is False
    assert expectation.pose == "piggyback"
    assert expectation.contact
    assert "hands" in expectation.checks


WIDER = (
    SMALL.replace("ahoge: false}", "ahoge: false, outfit: red blazer, outfits: [blue vest]}")
    .replace("trigger: kanachan", "trigger: kanachan\n  - {name: Mai, trigger: maichan}")
    .replace("pose: hug", "pose: piggyback\n    below: Kei\n    bystanders: true\n    change: {Kei: {hair_color: red}}")
    .replace("[cast, fusion]", "[cast, fusion, pose, follow_through]")
)


def test_roles_changes_bystanders_and_everybody_else_reach_the_detectors() -> None:
    asked = parse_suite(WIDER).expectation("hug")
    assert (asked.below, asked.bystanders) == ("Kei", True)
    assert asked.changed("Kei") == {"hair_color": "red"}
    assert asked.changed("Kana") == {}
    assert [other.name for other in asked.rivals("Kei")] == ["Kana", "Mai"]
    assert asked.cast[0].attributes.wardrobe == ("red blazer", "blue vest")
    assert asked.cast[0].attributes.without(["outfit"]).wardrobe == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("pose: piggyback", "pose: hug", "below: only lap_sit, piggyback, princess_carry have somebody below"),
        ("below: Kei", "below: Mai", "below: 'Mai' is not in the cast"),
        ("{Kei: {hair_color: red}}", "{Mai: {hair_color: red}}", "change.Mai: 'Mai' is not in the cast"),
        ("{Kei: {hair_color: red}}", "{Kei: {}}", "change.Kei: says nothing that changes"),
        ("{Kei: {hair_color: red}}", "{}", "checks[3]: 'follow_through' needs change: to say"),
        ("pose: piggyback\n    below: Kei", "distance: far", "checks[2]: 'pose' needs the scenario to name a pose"),
    ],
)
def test_what_makes_no_sense_together_is_refused(old: str, new: str, expected: str) -> None:
    assert old in WIDER
    assert expected in complaint(WIDER.replace(old, new))


def test_the_built_in_suites_ask_every_check_that_applies() -> None:
    asked = {name: {check for each in load_suite(name).scenarios for check in each.checks} for name in list_suites()}
    assert asked["keikana"] == set(get_args(CheckName))
    assert asked["demo"] == asked["keikana"] - {"follow_through", "limbs", "ghost"}


def test_an_unknown_scenario_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"no scenario 'dance'.*piggyback"):
        load_suite("demo").expectation("dance")


def test_an_attribute_left_out_is_not_judged() -> None:
    kei, kana = parse_suite(SMALL).expectation("hug").cast
    assert kei.attributes.eye_color is None
    assert kana.attributes.ahoge is None


def test_overrides_reach_generation_only_and_change_the_hash() -> None:
    suite = load_suite("keikana")
    large = suite.override(width=1024, height=1024)
    assert (large.generation.width, large.generation.height, large.generation.steps) == (1024, 1024, 8)
    assert large.scenarios == suite.scenarios
    assert large.content_hash != suite.content_hash
    assert large.override(width=256, height=256).content_hash == suite.content_hash


def test_an_override_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        load_suite("demo").override(width=1000)


def test_the_hash_ignores_layout_and_description_but_no_content() -> None:
    plain = parse_suite(SMALL)
    rewritten = SMALL.replace("[1, 2]", "\n  - 1\n  - 2") + "description: words only\n"
    assert parse_suite(rewritten).content_hash == plain.content_hash
    assert parse_suite(SMALL.replace("[1, 2]", "[2, 1]")).content_hash != plain.content_hash
    assert parse_suite(SMALL.replace("version: 1", "version: 2")).content_hash != plain.content_hash


EXTRA = """\
  - name: hug-tags
    prompt: 2girls, keichan, kanachan, hug, embracing
    cast: [Kei, Kana]
    pose: hug
    checks: [cast]
    variant_of: hug
    crossing: true
seeds: [1, 2]
pinned_seeds: [13]
severities: {lost: 0.9, minor: 0}
"""


def test_variants_pinned_seeds_severities_and_crossing_are_read() -> None:
    suite = parse_suite(SMALL.replace("seeds: [1, 2]\n", EXTRA))
    assert [(scenario.name, seed) for scenario, seed in suite.cells()] == [
        (name, seed) for name in ("hug", "hug-tags") for seed in (1, 2, 13)
    ]
    assert [scenario.has_crossing for scenario in suite.scenarios] == [False, True]
    assert suite.scenario("hug-tags").variant_of == "hug"
    assert suite.severities == {"lost": 0.9, "minor": 0.0}
    keikana = load_suite("keikana")
    crossing = [scenario.name for scenario in keikana.scenarios if scenario.has_crossing]
    assert crossing == ["piggyback", "princess-carry", "lap-sit-sentence", "lap-sit-tags"]
    assert keikana.scenario("lap-sit-tags").variant_of == "lap-sit-sentence"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "variant_of: hug",
            "variant_of: kiss",
            "mine.yaml:21: scenarios[1].variant_of: no other scenario is called 'kiss'",
        ),
        ("variant_of: hug", "variant_of: hug-tags", "mine.yaml:21: scenarios[1].variant_of: no other scenario"),
        ("    pose: hug\n    checks", "    pose: lap_sit\n    checks", "'hug' asks for another pose"),
        ("pinned_seeds: [13]", "pinned_seeds: [2]", "mine.yaml:24: pinned_seeds[0]: 2 is among the seeds too"),
        ("pinned_seeds: [13]", "pinned_seeds: [13, 13]", "pinned_seeds[1]: 13 is there twice"),
        ("lost: 0.9", "lost: 2", "severities.lost"),
        ("lost: 0.9", "gone: 1", "severities.gone"),
    ],
)
def test_faults_of_variants_pins_and_severities_are_named(old: str, new: str, line: str) -> None:
    text = SMALL.replace("seeds: [1, 2]\n", EXTRA)
    assert old in text
    assert line in complaint(text.replace(old, new))


def test_a_suite_survives_its_own_json() -> None:
    suite = load_suite("keikana")
    again = Suite.model_validate_json(suite.model_dump_json())
    assert again == suite
    assert again.content_hash == suite.content_hash


def test_references_are_found_beside_the_file_and_hashed_by_bytes(tmp_path: Path) -> None:
    text = SMALL.replace("    trigger: keichan", "    trigger: keichan\n    references: [kei.png]")
    hashes = []
    for folder, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "kei.png").write_bytes(content)
        (tmp_path / folder / "mine.yaml").write_text(text)
        suite = load_suite(tmp_path / folder / "mine.yaml")
        assert suite.expectation("hug").cast[0].references == (str(tmp_path / folder / "kei.png"),)
        hashes.append(suite.content_hash)
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_missing_reference_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL.replace("    trigger: keichan", "    trigger: keichan\n    references: [kei.png]"))
    with pytest.raises(UnknownSuite, match=r"mine\.yaml:6: characters\[0\]\.references\[0\]: there is no picture"):
        load_suite(path)


def test_text_from_elsewhere_may_not_name_local_files() -> None:
    text = SMALL.replace("    trigger: keichan", "    trigger: keichan\n    references: [/etc/hostname]")
    assert "need a suite file on this machine" in complaint(text)


def test_an_unknown_name_lists_the_built_in_ones() -> None:
    with pytest.raises(UnknownSuite, match=r"no suite 'keikna'.*demo, keikana, starter"):
        load_suite("keikna")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seeds: [1, 2]", "seeds: [1, 1]", "mine.yaml:16: seeds[1]: 1 is there twice"),
        ("seeds: [1, 2]", "seeds: [1, -2]", "mine.yaml:16: seeds[1]: input should be greater than or equal to 0"),
        ("seeds: [1, 2]", "", "mine.yaml:1: seeds: is missing"),
        ("version: 1", "version: '1'", "mine.yaml:2: version: input should be a valid integer"),
        ("version: 1", "version: 1\nversion: 2", "mine.yaml:3: version: is written twice"),
        ("pose: hug", "posture: hug", "mine.yaml:13: scenarios[0].posture: is no field of a suite"),
        ("pose: hug", "pose: hugging", "mine.yaml:13: scenarios[0].pose: input should be 'standing'"),
        ("contact: true", "contact: 1", "mine.yaml:14: scenarios[0].contact: input should be a valid boolean"),
        (
            "contact: true",
            "contact: false",
            "mine.yaml:15: scenarios[0].checks[1]: 'fusion' looks at bodies that touch",
        ),
        ("[cast, fusion]", "[cast, fuson]", "mine.yaml:15: scenarios[0].checks[1]: input should be"),
        ("[Kei, Kana]", "[Kei, Lana]", "mine.yaml:12: scenarios[0].cast[1]: no character is called 'Lana'"),
        ("[Kei, Kana]", "[Kei]", "mine.yaml:11: scenarios[0].prompt: has the trigger of a character outside the cast"),
        ("keichan, kanachan, hug", "keichan, hug", "mine.yaml:11: scenarios[0].prompt: lacks the trigger of its cast"),
        ("name: Kana", "name: Kei", "mine.yaml:7: characters[1].name: 'Kei' is there twice"),
        ("[1, 2]", "[1, 2", "not readable as YAML"),
        ("[Kei, Kana]", "&x [Kei, Kana]\n    references: *x", "aliases (*name) are not allowed"),
    ],
)
def test_complaints_name_line_and_field(old: str, new: str, expected: str) -> None:
    assert old in SMALL
    assert expected in complaint(SMALL.replace(old, new))


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "just words", "name: 2024-01-01\n"])
def test_what_is_no_suite_at_all_is_refused(text: str) -> None:
    assert complaint(text).startswith("mine.yaml:1:")


def test_all_faults_are_told_at_once_in_file_order() -> None:
    text = SMALL.replace("pose: hug", "pose: dance").replace("[1, 2]", "[]")
    lines = complaint(text).splitlines()
    assert [line.split(":")[1] for line in lines] == ["13", "16"]
