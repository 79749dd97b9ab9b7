r"""ER-SDE-Solver-3 (Cui et al., arXiv 2309.06169) for flow matching, as a diffusers scheduler.

A flow-matching sample is :math:`x = \alpha x_0 + \sigma\varepsilon` with :math:`\alpha = 1 - \sigma`, and the network
predicts the velocity :math:`v = \varepsilon - x_0`, so that :math:`\hat x_0 = x - \sigma v`. In the variables
:math:`y = x/\alpha` and :math:`\lambda = \sigma/\alpha` the extended reverse-time SDE is solved between
:math:`\lambda_s > \lambda_t` by

.. math::
    y_t = r\,y_s + \varphi_t \int_{\lambda_t}^{\lambda_s} \frac{\varphi'}{\varphi^2}\,\hat x_0\,d\lambda
          + \sqrt{\lambda_t^2 - r^2\lambda_s^2}\;z, \qquad r = \varphi_t/\varphi_s, \quad z \sim N(0, I).

The function :math:`\varphi` sets how much noise a step takes away and puts back; every choice with a non-decreasing
:math:`\varphi/\lambda` has the same marginals. Expanding :math:`\hat x_0` around :math:`\lambda_s` and integrating by
parts leaves, with :math:`h = \lambda_t - \lambda_s \le 0`,

* stage 1: :math:`(1 - r)\,\hat x_0`
* stage 2: :math:`[\,h + \varphi_t \int_{\lambda_t}^{\lambda_s} d\lambda/\varphi\,]\;\hat x_0'`
* stage 3: :math:`[h^2/2 + \varphi_t \int_{\lambda_t}^{\lambda_s} (\lambda - \lambda_s)/\varphi\,d\lambda]\;\hat x_0''`

with the derivatives taken as backward differences of earlier steps, as in the paper. The first difference is used as
it is, without the correction a third-order multistep method would add: stage 3 lowers the error, but the order stays 2.

At :math:`\sigma = 1` both :math:`\lambda` and :math:`y` are infinite, so a schedule that starts there is started at
the sigma of a time of 0.9999 before the shift instead, for the network too; at :math:`\sigma = 0` every coefficient
vanishes and the sample becomes :math:`\hat x_0`, without noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.schedulers.scheduling_utils import SchedulerMixin, SchedulerOutput

from service.generation.sending import draw_noise, send

FIRST_TIME = 0.9999
"""Where a schedule that begins with pure noise starts instead of 1 (a time before the shift)."""

NOISE_SCALES: dict[str, Callable[[float], float]] = {
    "er_sde": lambda x: x * (math.exp(min(x**0.3, 700.0)) + 10.0),
    "sde": lambda x: x * x,
    "ode": lambda x: x,
}
"""The functions phi(lambda): the paper's recommended one, the usual reverse-time SDE, and no noise at all."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True)
class StepCoefficients:
    """What one step from ``lambda_s`` to ``lambda_t`` multiplies with, in the variables y and lambda.

    ``ratio`` belongs to y, ``value``, ``slope`` and ``curvature`` to the predicted clean sample and its first and
    second derivative by lambda, ``noise`` to the fresh standard normal noise.
    """

    ratio: float
    value: float
    slope: float
    curvature: float
    noise: float


def step_coefficients(lambda_s: float, lambda_t: float, phi: Callable[[float], float]) -> StepCoefficients:
    """The coefficients of one ER-SDE step; see the module's formulas.

    The two integrals are taken over log(lambda) with 48 Gauss-Legendre nodes, where the integrands are smooth even when
    the step spans several orders of magnitude.

    Args:
        lambda_s: sigma/alpha at the start of the step, > 0.
        lambda_t: sigma/alpha at its end, 0 <= ``lambda_t`` < ``lambda_s``.
        phi: the noise scale function.
    """
    if lambda_t == 0.0:
        return StepCoefficients(0.0, 1.0, 0.0, 0.0, 0.0)
    phi_t = phi(lambda_t)
    ratio = phi_t / phi(lambda_s)
    h = lambda_t - lambda_s
    half = 0.5 * math.log(lambda_s / lambda_t)
    points = lambda_t * np.exp(half * (_NODES + 1.0))
    weights = half * _WEIGHTS * points * phi_t / np.array([phi(float(point)) for point in points])
    return StepCoefficients(
        ratio=ratio,
        value=1.0 - ratio,
        slope=h + float(weights.sum()),
        curvature=0.5 * h * h + float((weights * (points - lambda_s)).sum()),
        noise=math.sqrt(max(lambda_t**2 - (ratio * lambda_s) ** 2, 0.0)),
    )


def simple_schedule(steps: int, train_steps: int = 1000) -> list[float]:
    """Times before the shift, 1 first and 0 left out: every ``train_steps / steps``-th entry of the training table.

    >>> simple_schedule(4)
    [1.0, 0.75, 0.5, 0.25]
    """
    return [(train_steps - int(i * train_steps / steps)) / train_steps for i in range(steps)]


class FlowMatchERSDEScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """ER-SDE for flow-matching models; takes the place of ``FlowMatchEulerDiscreteScheduler``.

    Its noise comes from one generator per image, handed over with :meth:`set_generators` before each batch. The same
    generators may have drawn the initial latents before: one generator then covers all noise of its image, whatever
    batch the image is in.

    Args:
        num_train_timesteps: timesteps are sigma times this number.
        shift: sigma = shift * t / (1 + (shift - 1) * t) for a time t.
        max_stage: 1, 2 or 3 stages; the first steps use fewer, for want of a history.
        noise_scale: a key of :data:`NOISE_SCALES`.
        shift_terminal: stretch the schedule so that its last sigma before 0 is this, as Qwen-Image's own does.
    """

    order = 1

    @register_to_config
    def __init__(
        self,
        num_train_timesteps: int = 1000,
        shift: float = 3.0,
        max_stage: int = 3,
        noise_scale: str = "er_sde",
        shift_terminal: float | None = None,
    ) -> None:
        if max_stage not in (1, 2, 3):
            raise ValueError(f"max_stage is 1, 2 or 3, not {max_stage}")
        if noise_scale not in NOISE_SCALES:
            raise ValueError(f"noise_scale is one of {', '.join(NOISE_SCALES)}, not {noise_scale!r}")
        self._train_steps, self._shift, self._max_stage = num_train_timesteps, shift, max_stage
        self._phi = NOISE_SCALES[noise_scale]
        self._terminal = shift_terminal
        self._generators: list[torch.Generator] = []
        self._begin_index: int | None = None
        self.set_timesteps(num_train_timesteps)

    @property
    def step_index(self) -> int | None:
        """Index of the next step, ``None`` before the first."""
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        """The index a run starts at, if :meth:`set_begin_index` gave one."""
        return self._begin_index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Start at this step of the schedule (0 for a whole run)."""
        self._begin_index = begin_index

    def set_generators(self, generators: Sequence[torch.Generator]) -> None:
        """Hand over the generators of the next batch, one per image; they are let go after its last step."""
        self._generators = list(generators)

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        sigmas: Sequence[float] | None = None,
        mu: float | None = None,
    ) -> None:
        """Set the schedule and forget all history.

        Args:
            num_inference_steps: number of steps of an even schedule, if ``sigmas`` is not given.
            device: where ``timesteps`` lives; ``sigmas`` stay on the CPU.
            sigmas: decreasing times in (0, 1] *before* the shift; a final 0 is added.
            mu: handed over by pipelines whose own scheduler shifts by the picture's size; the shift is fixed here.
        """
        if sigmas is None:
            if num_inference_steps is None:
                raise ValueError("give num_inference_steps or sigmas")
            sigmas = [1.0 - i / num_inference_steps for i in range(num_inference_steps)]
        times = [min(float(time), FIRST_TIME) for time in sigmas]
        if not times or times[-1] <= 0.0 or any(b >= a for a, b in itertools.pairwise(times)):
            raise ValueError("sigmas must decrease from at most 1 and stay above 0")
        shifted = [self._shift * time / (1.0 + (self._shift - 1.0) * time) for time in times]
        if self._terminal and len(shifted) > 1:
            stretch = (1.0 - self._terminal) / (1.0 - shifted[-1])
            shifted = [1.0 - (1.0 - level) * stretch for level in shifted]
        self._levels = [*shifted, 0.0]
        self.sigmas = torch.tensor(self._levels, dtype=torch.float32)
        self.timesteps = send(self.sigmas[:-1] * self._train_steps, device)
        self.num_inference_steps = len(times)
        self._step_index: int | None = None
        self._begin_index = None
        self._history: list[tuple[float, torch.Tensor, torch.Tensor | None]] = []

    def index_for_timestep(self, timestep: float | torch.Tensor) -> int:
        """The place of ``timestep`` in the schedule."""
        return int((self.timesteps.cpu() - float(timestep)).abs().argmin())

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        return_dict: bool = True,
    ) -> SchedulerOutput | tuple[torch.Tensor]:
        """One step of the solver.

        Args:
            model_output: the predicted velocity, shaped like ``sample``.
            timestep: the current timestep; the schedule is followed in order from the first one seen.
            sample: the noisy sample, (batch, ...); the first dimension counts images.
            generator: overrides the generators handed over with :meth:`set_generators`.
            return_dict: return a ``SchedulerOutput`` rather than a tuple.

        Raises:
            ValueError: if the step needs noise and there is not exactly one generator per image.
        """
        if self._step_index is None:
            self._step_index = self.index_for_timestep(timestep) if self._begin_index is None else self._begin_index
        sigma_s, sigma_t = self._levels[self._step_index], self._levels[self._step_index + 1]
        alpha_s, alpha_t = 1.0 - sigma_s, 1.0 - sigma_t
        lambda_s, lambda_t = sigma_s / alpha_s, sigma_t / alpha_t
        dtype = torch.promote_types(sample.dtype, torch.float32)
        x = sample.to(dtype)
        clean = x - sigma_s * model_output.to(dtype)
        c = step_coefficients(lambda_s, lambda_t, self._phi)

        slope, curvature = self._derivatives(lambda_s, clean)
        x = (alpha_t / alpha_s * c.ratio) * x + (alpha_t * c.value) * clean
        if slope is not None:
            x = x + (alpha_t * c.slope) * slope
        if curvature is not None:
            x = x + (alpha_t * c.curvature) * curvature
        if c.noise > 0.0:
            x = x + (alpha_t * c.noise) * self._noise(x, generator)

        self._step_index += 1
        if self._step_index == self.num_inference_steps:
            self._history, self._generators = [], []
        x = x.to(sample.dtype)
        return SchedulerOutput(prev_sample=x) if return_dict else (x,)

    def _derivatives(self, level: float, clean: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """First and second derivative of the clean prediction by lambda, as far as the history reaches."""
        slope = curvature = None
        if self._max_stage >= 2 and self._history:
            last_level, last_clean, last_slope = self._history[-1]
            slope = (clean - last_clean) / (level - last_level)
            if self._max_stage >= 3 and last_slope is not None:
                curvature = 2.0 * (slope - last_slope) / (level - self._history[-2][0])
        self._history = [*self._history[-1:], (level, clean, slope)]
        return slope, curvature

    def _noise(
        self, sample: torch.Tensor, generator: torch.Generator | Sequence[torch.Generator] | None
    ) -> torch.Tensor:
        """Standard normal noise for a batch, each image from its own generator, drawn where that generator lives."""
        given = [generator] if isinstance(generator, torch.Generator) else list(generator or self._generators)
        if len(given) != len(sample):
            raise ValueError(
                f"{len(sample)} images need {len(sample)} generators, got {len(given)}: call set_generators() with one "
                "torch.Generator per image before each batch"
            )
        return draw_noise(sample.shape[1:], given, sample.device, sample.dtype)

    def __len__(self) -> int:
        return self._train_steps
