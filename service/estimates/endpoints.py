"""Asking what an evaluation will take."""

from __future__ import annotations

from fastapi import APIRouter

from service.estimates.schemas import EstimateIn, EstimatesOut
from service.estimates.service import EstimateService
from service.evaluations.asking import asked_for
from service.evaluations.dependencies import Space
from service.web.caching import TaggedRoute
from service.web.problems import problems

router = APIRouter(prefix="/v1/estimates", tags=["evaluations"], route_class=TaggedRoute)


@router.post("", responses=problems(404))
def estimate_evaluation(wanted: EstimateIn, space: Space) -> EstimatesOut:
    """Say what an evaluation will take here: images, hours, disk and cost, for the small plan and for all others.

    The first time for a base, size and set of detectors this machine is measured, which takes seconds for the miniature
    and longer for a large base, since it is loaded. While an evaluation is running that is refused (409).

    With `until` there is one plan: what its rounds take at most. How many they need shows only on the way.
    """
    asked, chosen = asked_for(space, wanted)
    service = EstimateService(space)
    taken, *others = service.choose(
        asked,
        chosen,
        full=wanted.full,
        max_hours=wanted.max_hours,
        price=wanted.price,
        all_epochs=wanted.epochs is not None,
        all_seeds=wanted.seeds is not None,
    )
    other_plans = [other.to_json() for other in others]
    return EstimatesOut.model_validate(
        {**taken.to_json(), "notices": service.notices(asked), "other_plans": other_plans}
    )
