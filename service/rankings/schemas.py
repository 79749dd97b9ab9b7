"""The leaderboard's answer as data: the one shape that the API, ``--json`` and the report share.

Every field says what it means; ``docs/leaderboard.md`` explains them in plain words.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Interval = tuple[float, float]


class Part(BaseModel):
    """A part of the answer: no field that is not declared, so that the three outlets cannot drift apart."""

    model_config = ConfigDict(extra="forbid")


class Named(Part):
    """A checkpoint by its name."""

    run: str = Field(description="The run's name.", examples=["v2"])
    epoch: int | None = Field(description="The checkpoint's epoch.", examples=[148])


class Check(Part):
    """What became of the images under one check, by the worst finding of each."""

    fails: int = Field(description="Images on which it fails.")
    minor: int = Field(description="Images with a small fault only.")
    holds: int = Field(description="Images on which it holds.")
    not_measurable: int = Field(description="Images that could not be judged; in no rate.")
    rate: float | None = Field(description="fails / (fails + minor + holds); null if nothing was measured.")
    interval: Interval | None = Field(description="95 % Wilson interval of the rate.")
    bounds: Interval | None = Field(description="The rate if everything not measurable held, and if it all failed.")


class Hits(Part):
    """How often something asked for came out. It is no failure of separation, and in no failure rate."""

    yes: int = Field(description="Images on which it came out.")
    no: int = Field(description="Images on which it did not.")
    not_measurable: int = Field(description="Images that could not be judged.")
    rate: float | None = Field(description="yes / (yes + no); null if nothing was measured.")
    interval: Interval | None = Field(description="95 % Wilson interval of the rate.")


class CheckRates(Part):
    """Findings about one character."""

    checks: dict[str, Check] = Field(description="Per check.")


class Scenario(Check):
    """Whole images of one scenario."""

    checks: dict[str, Check] = Field(description="Per check.")
    pose_hits: Hits | None = Field(description="How often the asked pose came out; null if nothing looked at it.")
    follow_through: Hits | None = Field(description="How often an asked change was followed.")
    characters: dict[str, CheckRates] = Field(description="Per character.")


class Clean(Part):
    """How often a picture has no fault at all."""

    clean: int = Field(description="Images on which everything was measured and holds, in the asked pose.")
    measured: int = Field(description="Images that were measured.")
    chance: float | None = Field(description="clean / measured.")
    interval: Interval | None = Field(description="95 % Wilson interval of the chance.")
    needed: int | None = Field(description="Images to generate for a clean one with 95 %; null where none was clean.")
    needed_at_most: int | None = Field(description="The same if the chance is only the interval's lower end.")
    keepers: list[int] = Field(description="Seeds of the first clean images.")


class Entry(Named):
    """One checkpoint on the leaderboard, or the control."""

    images: int = Field(description="All its images that count, invalid ones too.")
    invalid: int = Field(description="Black, near constant or no picture: in no rate.")
    fails: int = Field(description="Images on which any check fails.")
    minor: int = Field(description="Images with a small fault only.")
    holds: int = Field(description="Images on which every check was measured and holds.")
    not_measurable: int = Field(description="Images that could not be judged; in no rate.")
    failure_rate: float | None = Field(description="fails / (fails + minor + holds).")
    interval: Interval | None = Field(description="95 % Wilson interval of the failure rate on exactly these prompts.")
    bounds: Interval | None = Field(description="The rate if everything not measurable held, and if it all failed.")
    pooled_interval: Interval | None = Field(
        description="95 % interval on prompts like these: wider where scenarios differ."
    )
    design_effect: float = Field(description="How many of these images say as much as one independent image.")
    severity_score: float | None = Field(description="Mean cost of a measured image, 0..1, by its dearest fault.")
    expected_cost: float | None = Field(
        None, description="The same as it is believed to be, with neighbouring epochs' images; null if blocked."
    )
    expected_cost_interval: Interval | None = Field(None, description="95 % credible interval of it.")
    p_best: float | None = Field(None, description="Probability that no other checkpoint costs less.")
    expected_regret: float | None = Field(None, description="Expected cost above the best one's, whichever that is.")
    standing: str = Field("control", description="recommended, tied, worse, too few judged, too few hits, or control.")
    pose_hits: Hits | None = Field(description="How often the asked pose came out; null if nothing looked at it.")
    follow_through: Hits | None = Field(description="How often an asked change was followed.")
    checks: dict[str, Check] = Field(description="Per check that can make an image fail.")
    scenarios: dict[str, Scenario] = Field(description="Per scenario.")
    characters: dict[str, CheckRates] = Field(description="Per character.")
    good_pictures: dict[str, Clean] = Field(default_factory=dict, description="Per scenario.")


class Comparison(Named):
    """One checkpoint against the leader, on the images of the same scenario and seed."""

    pairs: int = Field(description="Images measured on both.")
    leader_only_fails: int = Field(description="Images on which only the leader fails.")
    other_only_fails: int = Field(description="Images on which only the other fails.")
    difference: float | None = Field(description="The other's failure rate less the leader's, on these images.")
    interval: Interval | None = Field(description="95 % interval of the difference (Bonett and Price).")
    p: float = Field(description="Exact two-sided McNemar p-value.")
    p_adjusted: float = Field(
        description="The same, corrected for the number of checkpoints and for the leader being picked on these images."
    )
    separable: bool = Field(description="Whether it is worse than the leader by more than chance explains.")


class Advice(Part):
    """Which checkpoint to use."""

    run: str | None = Field(description="The recommended checkpoint's run; null if there is not enough data.")
    epoch: int | None = Field(description="Its epoch.")
    leader: Named | None = Field(
        description="The best-ranked that may be recommended; the others are tested against it."
    )
    tied_with: list[Named] = Field(description="Others that cannot be told apart from the leader.")
    too_few_judged: list[Named] = Field(description="Too seldom judged to say how good they are.")
    too_few_hits: list[Named] = Field(description="They produce the asked pose too seldom to be recommended.")
    comparisons: list[Comparison] = Field(description="Every other checkpoint against the leader.")
    sentences: list[str] = Field(description="The answer for people, most important first.")


class AllEqual(Part):
    """Cochran's Q: do all checkpoints fail equally often on the same cells?"""

    q: float | None = Field(description="The statistic; null if there is nothing to test.")
    p: float | None = Field(description="Its p-value: small means that not all are equal.")
    exact: bool = Field(description="Whether p comes from shuffling, as little data demands.")
    cells: int = Field(description="Cells measured on every checkpoint.")
    informative: int = Field(description="Those of them on which the checkpoints differ.")


class OnsetOut(Part):
    """A fault that is more frequent from some epoch on."""

    run: str = Field(description="The run.")
    check: str = Field(description="The check.")
    mode: str = Field(description="any failure, minor, fused or lost.")
    scenario: str | None = Field(description="The scenario; null for all together.")
    epoch: int = Field(description="The most probable first epoch with more of it.")
    interval: tuple[int, int] = Field(description="First and last epoch it may be, 95 % credible.")
    probability: float = Field(description="That there is a rise at all.")
    before: float = Field(description="Its rate before.")
    after: float = Field(description="Its rate from then on.")
    sentence: str = Field(description="The same in words.")


class SweetSpotOut(Part):
    """The checkpoint for the stated use, between locking and breaking."""

    run: str | None = Field(description="The recommended checkpoint's run.")
    epoch: int | None = Field(description="Its epoch.")
    locked_from: int | None = Field(description="First epoch at which every measured look is locked.")
    breaks_from: OnsetOut | None = Field(description="The earliest failure of its run that sets in.")
    unfollowing_from: int | None = Field(description="First epoch that follows asked changes less.")
    trade_offs: list[str] = Field(description="What is given up.")
    would_change: list[str] = Field(description="What would change the answer.")


class CauseOut(Part):
    """Whose fault one check's failures in one scenario are."""

    scenario: str = Field(description="The scenario.")
    check: str = Field(description="The check.")
    kind: str = Field(description="systematic (this checkpoint), occasional (the seed) or base (without LoRA too).")
    sure: bool = Field(description="Whether the interval lies wholly on that side.")
    fails: int = Field(description="Images on which it fails.")
    measured: int = Field(description="Images on which it was measured.")
    rate: float = Field(description="fails / measured.")
    interval: Interval = Field(description="95 % Wilson interval of the rate.")
    control_fails: int = Field(description="The same without the LoRA.")
    control_measured: int = Field(description="0 if the control was not measured.")
    excess: Interval | None = Field(description="95 % interval of the rate less the control's, on the same seeds.")


class Phrase(Part):
    """How often one phrasing brings the pose out."""

    scenario: str = Field(description="The scenario.")
    hits: int = Field(description="Images that show the pose.")
    measured: int = Field(description="Images on which it could be told.")
    rate: float | None = Field(description="hits / measured.")
    interval: Interval | None = Field(description="95 %, with all epochs of a seed counted as one image.")


class PhrasingOut(Part):
    """Two phrasings of one picture side by side."""

    run: str = Field(description='The run, all its epochs together, or "control".')
    original: Phrase = Field(description="The phrasing that the other is a variant of.")
    variant: Phrase = Field(description="The other phrasing.")
    pairs: int = Field(description="Images of the same seed and epoch measured on both.")
    difference: float | None = Field(description="Hit rate of the variant less the original's, on these pairs.")
    interval: Interval | None = Field(description="95 % interval of it.")


class Point(Part):
    """A share at one epoch."""

    epoch: int = Field(description="The epoch.")
    share: float = Field(description="0..1.")
    interval: Interval = Field(description="95 %.")
    images: int = Field(description="How many images it rests on.")


class LockingOut(Part):
    """When a look stops changing from seed to seed."""

    name: str = Field(description="What is looked at, such as the hairstyle.")
    points: list[Point] = Field(description="How far two seeds agree, by epoch.")
    locked_from: int | None = Field(description="First epoch from which they agree nearly always.")
    earliest: int | None = Field(description="The same by the upper ends of the intervals.")
    latest: int | None = Field(description="The same by the lower ends.")


class Mean(Part):
    """A number's mean at one epoch."""

    epoch: int = Field(description="The epoch.")
    mean: float = Field(description="The mean over its images.")
    interval: Interval | None = Field(description="95 % (Student); null with a single image.")
    images: int = Field(description="How many images it rests on.")


class CurveOut(Part):
    """A number by epoch, such as likeness or sharpness: larger is more of it."""

    name: str = Field(description="What is measured.")
    points: list[Mean] = Field(description="By epoch.")


class FollowingOut(Part):
    """How often asked changes are followed, by epoch."""

    points: list[Point] = Field(description="Share of images on which the change was followed.")
    lost_from: int | None = Field(description="First epoch that follows less than before.")
    interval: tuple[int, int] | None = Field(description="First and last epoch it may be, 95 % credible.")
    probability: float = Field(description="That it follows less at all from some epoch on.")


class RunOut(Part):
    """What is known of one run over its epochs."""

    locking: list[LockingOut] = Field(description="Looks that lock.")
    curves: list[CurveOut] = Field(description="Likeness, sharpness and other numbers by epoch.")
    following: FollowingOut = Field(description="Asked changes.")
    smoothing_width: float | None = Field(
        description="How far the curve over epochs reaches, in saved epochs; null where no epoch speaks for others."
    )
    smoothing_strength: float = Field(
        description="Part of what is believed of an epoch that comes from the run's other epochs, 0..1, on average."
    )


class Difference(Part):
    """How much more often the second run fails than the first."""

    check: str | None = Field(description="The check; null for whole images.")
    first: Check = Field(description="The first run.")
    second: Check = Field(description="The second run.")
    difference: float | None = Field(description="Second rate less first rate.")
    interval: Interval | None = Field(description="95 % (Newcombe), as if all images were independent.")
    cluster_interval: Interval | None = Field(description="95 %, redrawing whole (scenario, seed) clusters.")
    pairs: int = Field(description="Images of the same scenario, seed and epoch measured on both.")
    paired_difference: float | None = Field(description="The difference on these pairs.")
    paired_interval: Interval | None = Field(description="95 %, all epochs of a seed counted as one pair.")
    first_only: int = Field(description="Pairs on which only the first fails.")
    second_only: int = Field(description="Pairs on which only the second fails.")


class FlipOut(Part):
    """An image that fails in one run only."""

    scenario: str = Field(description="The scenario.")
    seed: int = Field(description="The seed.")
    epoch: int | None = Field(description="The epoch.")
    first: str = Field(description="What it is in the first run: holds, minor, fails, fused or lost.")
    second: str = Field(description="What it is in the second run.")


class RunsOut(Part):
    """Two runs on the same suite and seeds."""

    first: str = Field(description="The first run.")
    second: str = Field(description="The second run.")
    differences: list[Difference] = Field(description="For whole images, then per check.")
    flipped_total: int = Field(description="How many images fail in one of them only.")
    flipped: list[FlipOut] = Field(description="The first of these, the worst turns for the second run first.")


class Pinned(Part):
    """An image of a pinned seed: shown, and in no rate."""

    run: str = Field(description='The run, or "control".')
    epoch: int | None = Field(description="The epoch.")
    scenario: str = Field(description="The scenario.")
    seed: int = Field(description="The seed.")
    state: str = Field(description="holds, minor, fails, fused, lost, not measurable or invalid.")


class SecondLookOut(Named):
    """Images of one checkpoint that fail a check because something expected, such as a hand, is not there."""

    check: str = Field(description="The check.")
    absent: int = Field(description="Images that fail it for that alone.")
    unseen: int = Field(
        description="Those of them whose scenario and seed shows it on no picture, the control's included: it may be "
        "covered."
    )
    rate: float = Field(description="The check's failure rate; these images count in it.")
    rate_without: float | None = Field(description="The rate if the unseen ones were not measurable.")
    interval_without: Interval | None = Field(description="95 % Wilson interval of that.")


class LeaderboardAnswer(Part):
    """Every checkpoint, best first, and what follows from it for one use."""

    use: str = Field(description="all, hard-contact, no-crossing, or own weights per check.")
    leaderboard: list[Entry] = Field(description="Best first.")
    control: Entry | None = Field(description="The base model without a LoRA.")
    recommendation: Advice = Field(description="Which checkpoint to use, what it is tied with, and why, in words.")
    not_separable: list[Named] = Field(description="The leader and all that cannot be told apart from it.")
    all_equal: AllEqual = Field(description="Whether the checkpoints differ at all.")
    sweet_spot: SweetSpotOut = Field(description="Between locking and breaking: trade-offs, and what would change it.")
    onsets: list[OnsetOut] = Field(description="Faults that set in at some epoch, the surest first.")
    onsets_searched: int = Field(description="How many series of counts were searched for one.")
    causes: list[CauseOut] = Field(description="Whose fault the recommended checkpoint's failures are.")
    phrasings: list[PhrasingOut] = Field(description="Two ways to ask for the same picture.")
    by_run: dict[str, RunOut] = Field(description="What is known of each run over its epochs.")
    runs: RunsOut | None = Field(description="The comparison, if there are exactly two runs.")
    second_look: list[SecondLookOut] = Field(
        description="Where something is lost because it is not there, and whether another checkpoint shows it."
    )
    pinned: list[Pinned] = Field(description="Images of pinned seeds.")
    summary: list[str] = Field(description="Everything above in plain words, most important first.")
