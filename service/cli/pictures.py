"""``bleedcheck evaluate --images``: judging pictures that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.cli.printing import say
from service.cli.working import answer, chosen_suite, make_settings, opened, run_name
from service.evaluations.asking import make_request
from service.evaluations.pictures import arrange

_TOLD = 5


def judge_pictures(
    images: Path,
    suite: str,
    *,
    table: Path | None,
    pattern: str | None,
    data_dir: Path | None,
    settings: dict[str, Any],
    use: str,
    as_json: bool,
) -> None:
    """Find out what the pictures in a folder show, judge them, and rank the checkpoints they come from.

    Args:
        images: the folder.
        suite: its prompts and names tell which scenario a picture belongs to.
        table: a CSV table that tells file, run, epoch, scenario or prompt, and seed.
        pattern: what file names look like.
        data_dir: as said on the command line.
        settings: further settings, as said on the command line.
        use: what the checkpoints are wanted for.
        as_json: print one JSON object.
    """
    home = make_settings(data_dir, **settings).data_dir / "pictures"
    with opened(data_dir, **settings) as space:
        wanted = chosen_suite(space, suite, None, None)
    found = arrange(images, wanted, home, table=table, pattern=pattern)
    for path, reason in found.skipped[:_TOLD]:
        say(f"{path.name} is left out: {reason}")
    if len(found.skipped) > _TOLD:
        say(f"{len(found.skipped) - _TOLD} more are left out")
    with opened(data_dir, **{**settings, "base": f"images:{found.folder.resolve()}"}) as space:
        checkpoints = [space.registry.register(run_name(info.name), info) for info in found.checkpoints]
        # One at a time: where a grid has holes, a missing picture then takes no other one with it.
        answer(space, make_request(space.settings, found.suite, checkpoints, batch_size=1), as_json, use=use)
