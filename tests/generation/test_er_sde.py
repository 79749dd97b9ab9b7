"""ER-SDE against closed forms: exact marginals, integrals, orders of convergence, one generator per image."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from scipy.integrate import quad

from service.generation.er_sde import (
    NOISE_SCALES,
    FlowMatchERSDEScheduler,
    simple_schedule,
    step_coefficients,
)

Denoiser = Callable[[torch.Tensor, float], torch.Tensor]


def generators(count: int, start: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(start + index) for index in range(count)]


def sample(scheduler: FlowMatchERSDEScheduler, x: torch.Tensor, times: list[float], denoiser: Denoiser) -> torch.Tensor:
    """Run the scheduler with a known clean prediction; stops before the last step, which only returns it."""
    scheduler.set_timesteps(sigmas=times)
    scheduler.set_begin_index(0)
    for index, timestep in enumerate(scheduler.timesteps[:-1]):
        sigma = scheduler._levels[index]
        velocity = (x - denoiser(x, sigma)) / sigma
        x = scheduler.step(velocity, timestep, x, return_dict=False)[0]
    return x


@pytest.mark.parametrize("scale", sorted(NOISE_SCALES))
@pytest.mark.parametrize(("lambda_s", "lambda_t"), [(3e4, 21.0), (21.0, 9.0), (3.0, 0.4), (0.4, 1e-3)])
def test_the_integrals_agree_with_quadrature(scale: str, lambda_s: float, lambda_t: float) -> None:
    phi = NOISE_SCALES[scale]
    got = step_coefficients(lambda_s, lambda_t, phi)

    def integral(weight: Callable[[float], float]) -> float:
        # over log(lambda), in which a step of several orders of magnitude is smooth
        value = quad(lambda u: weight(math.exp(u)) * math.exp(u), math.log(lambda_t), math.log(lambda_s), limit=500)[0]
        return float(value)

    def expansion(power: int) -> float:
        """phi_t times the integral of (phi'/phi^2) (lambda - lambda_s)^power / power!, straight from the solution."""

        def weight(level: float) -> float:
            step = 1e-4 * level
            derivative = (phi(level + step) - phi(level - step)) / (2 * step)
            return derivative / phi(level) ** 2 * (level - lambda_s) ** power / math.factorial(power)

        return phi(lambda_t) * integral(weight)

    assert got.value == pytest.approx(expansion(0), rel=1e-6)
    assert got.slope == pytest.approx(expansion(1), rel=1e-5)
    assert got.curvature == pytest.approx(expansion(2), rel=1e-5)
    assert got.slope == pytest.approx(lambda_t - lambda_s + phi(lambda_t) * integral(lambda v: 1 / phi(v)), rel=1e-9)


@pytest.mark.parametrize("scale", sorted(NOISE_SCALES))
def test_a_perfect_prediction_keeps_mean_and_variance(scale: str) -> None:
    """With a constant clean sample every step is exact: x stays N(alpha x0, sigma^2) at every level."""
    count, clean = 20_000, 0.7
    scheduler = FlowMatchERSDEScheduler(noise_scale=scale)
    scheduler.set_timesteps(sigmas=simple_schedule(8))
    scheduler.set_begin_index(0)
    noise = torch.Generator().manual_seed(5)
    first = scheduler._levels[0]
    x = (1 - first) * clean + first * torch.randn(1, count, generator=noise, dtype=torch.float64)
    scheduler.set_generators([noise])
    for index, timestep in enumerate(scheduler.timesteps):
        sigma, sigma_next = scheduler._levels[index], scheduler._levels[index + 1]
        x = scheduler.step((x - clean) / sigma, timestep, x, return_dict=False)[0]
        assert float(x.mean()) == pytest.approx((1 - sigma_next) * clean, abs=4 * sigma_next / math.sqrt(count) + 1e-9)
        assert float(x.std()) == pytest.approx(sigma_next, rel=0.03, abs=1e-9)
    assert torch.allclose(x, torch.full_like(x, clean))


@pytest.mark.parametrize("scale", ["er_sde", "sde"])
def test_variance_of_one_step_is_exact(scale: str) -> None:
    for lambda_s, lambda_t in ((3e4, 21.0), (5.0, 4.0), (1.0, 0.01)):
        c = step_coefficients(lambda_s, lambda_t, NOISE_SCALES[scale])
        assert (c.ratio * lambda_s) ** 2 + c.noise**2 == pytest.approx(lambda_t**2, rel=1e-12)
        assert c.noise > 0


def test_without_noise_one_stage_is_the_euler_step() -> None:
    """phi(lambda) = lambda is DDIM, which for a straight flow is Euler's step along the velocity."""
    ours = FlowMatchERSDEScheduler(noise_scale="ode", max_stage=1)
    theirs = FlowMatchEulerDiscreteScheduler(shift=3.0)
    times = simple_schedule(8)[1:]
    ours.set_timesteps(sigmas=times)
    theirs.set_timesteps(sigmas=times)
    ours.set_begin_index(0)
    theirs.set_begin_index(0)
    torch.testing.assert_close(ours.timesteps, theirs.timesteps)
    x = y = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    for timestep in ours.timesteps:
        x = ours.step(torch.tanh(x) - 0.3 * x, timestep, x, return_dict=False)[0]
        y = theirs.step(torch.tanh(y) - 0.3 * y, timestep, y, return_dict=False)[0]
    torch.testing.assert_close(x, y, atol=2e-6, rtol=1e-5)


def gaussian_denoiser(mean: float, deviation: float) -> Denoiser:
    """The exact clean prediction when the data is N(mean, deviation^2)."""

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        alpha = 1 - sigma
        gain = alpha * deviation**2 / (alpha**2 * deviation**2 + sigma**2)
        return mean + gain * (x - alpha * mean)

    return denoise


class Silent(FlowMatchERSDEScheduler):  # type: ignore[misc]
    """The same steps without their noise: what remains is the conditional mean of a linear problem."""

    def _noise(self, sample: torch.Tensor, generator: object) -> torch.Tensor:
        return torch.zeros_like(sample)


def error_at(steps: int, scale: str, stage: int) -> float:
    """Distance from the exact conditional mean of the reverse SDE between two fixed levels.

    For data N(m, c^2) it follows (y - m)' = (phi'/phi) lambda^2 / (c^2 + lambda^2) (y - m): for phi = lambda^p the
    solution is (c^2 + lambda^2)^(p/2), for the recommended phi a quadrature.
    """
    mean, deviation, high, low = 0.4, 0.6, 4.0, 0.25
    phi = NOISE_SCALES[scale]
    levels = torch.logspace(math.log10(high), math.log10(low), steps + 1, dtype=torch.float64).tolist()
    times = [level / (1 + level) for level in levels]
    x = torch.tensor([[2.0]], dtype=torch.float64) * (1 - times[0])
    scheduler = Silent(shift=1.0, noise_scale=scale, max_stage=stage)
    y = float(sample(scheduler, x, times, gaussian_denoiser(mean, deviation))) / (1 - times[-1])

    def decay(level: float) -> float:
        power = math.log(phi(level * 1.0001) / phi(level / 1.0001)) / (2 * math.log(1.0001))
        return power * level / (deviation**2 + level**2)

    factor = math.exp(-quad(decay, low, high, epsabs=1e-12)[0])
    if scale == "ode":
        assert factor == pytest.approx(math.sqrt((deviation**2 + low**2) / (deviation**2 + high**2)), rel=1e-8)
    return abs(y - (mean + (2.0 - mean) * factor))


@pytest.mark.parametrize("scale", ["ode", "er_sde"])
@pytest.mark.parametrize(("stage", "order"), [(1, 1.0), (2, 2.0), (3, 2.0)])
def test_orders_of_convergence_on_gaussian_data(scale: str, stage: int, order: float) -> None:
    coarse, fine = error_at(80, scale, stage), error_at(160, scale, stage)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("scale", ["ode", "er_sde"])
def test_every_stage_is_more_accurate_than_the_one_before(scale: str) -> None:
    errors = [error_at(32, scale, stage) for stage in (1, 2, 3)]
    assert errors[0] > 10 * errors[1] > 12 * errors[2] > 0


def test_the_usual_reverse_sde_is_exact_for_gaussian_data() -> None:
    """With phi = lambda^2 the clean prediction stays constant in the mean, so one stage makes no error."""
    assert error_at(3, "sde", 1) < 1e-9


def test_the_whole_process_returns_the_data_distribution() -> None:
    count = 20_000
    noise = torch.Generator().manual_seed(3)
    scheduler = FlowMatchERSDEScheduler()
    scheduler.set_generators([noise])
    x = torch.randn(1, count, generator=noise, dtype=torch.float64)
    x = sample(scheduler, x, simple_schedule(200), gaussian_denoiser(0.4, 0.6))
    sigma = scheduler._levels[-2]
    assert float(x.mean()) == pytest.approx((1 - sigma) * 0.4, abs=0.02)
    assert float(x.std()) == pytest.approx(math.hypot((1 - sigma) * 0.6, sigma), rel=0.02)


def test_pure_noise_starts_just_below_one_and_ends_without_noise() -> None:
    scheduler = FlowMatchERSDEScheduler()
    scheduler.set_timesteps(sigmas=simple_schedule(8))
    expected = 3 * 0.9999 / (1 + 2 * 0.9999)
    assert scheduler._levels[0] == pytest.approx(expected)
    assert float(scheduler.timesteps[0]) == pytest.approx(1000 * expected)
    plain = FlowMatchEulerDiscreteScheduler(shift=3.0)
    plain.set_timesteps(sigmas=simple_schedule(8))
    torch.testing.assert_close(scheduler.sigmas[1:], plain.sigmas[1:])
    last = step_coefficients(0.1, 0.0, NOISE_SCALES["er_sde"])
    assert (last.ratio, last.value, last.noise) == (0.0, 1.0, 0.0)


def run_batch(seeds: list[int]) -> torch.Tensor:
    own = [torch.Generator().manual_seed(seed) for seed in seeds]
    x = torch.stack([torch.randn(4, 1, 2, 2, generator=one) for one in own])
    scheduler = FlowMatchERSDEScheduler()
    scheduler.set_timesteps(sigmas=simple_schedule(8))
    scheduler.set_begin_index(0)
    scheduler.set_generators(own)
    for timestep in scheduler.timesteps:
        x = scheduler.step(torch.sin(3 * x), timestep, x, return_dict=False)[0]
    return x


def test_each_image_has_its_own_noise_whatever_its_batch() -> None:
    together = run_batch([1, 2, 3])
    assert torch.equal(together, run_batch([1, 2, 3]))
    torch.testing.assert_close(run_batch([3, 1])[0], together[2], atol=0, rtol=0)
    assert not torch.allclose(together[0], together[1])


def test_a_wrong_number_of_generators_is_refused() -> None:
    scheduler = FlowMatchERSDEScheduler()
    x = torch.zeros(2, 3)
    for given in ([], generators(1), generators(3)):
        scheduler.set_timesteps(sigmas=simple_schedule(4))
        scheduler.set_generators(given)
        with pytest.raises(ValueError, match="2 generators"):
            scheduler.step(x, scheduler.timesteps[0], x)


def test_generators_are_let_go_after_the_last_step() -> None:
    scheduler = FlowMatchERSDEScheduler()
    scheduler.set_timesteps(sigmas=[0.5])
    scheduler.set_generators(generators(1))
    scheduler.step(torch.zeros(1, 2), scheduler.timesteps[0], torch.ones(1, 2))
    assert scheduler._generators == []


@pytest.mark.parametrize("sigmas", [[], [0.5, 0.5], [0.5, 0.7], [0.5, 0.0]])
def test_bad_schedules_are_refused(sigmas: list[float]) -> None:
    with pytest.raises(ValueError, match="decrease"):
        FlowMatchERSDEScheduler().set_timesteps(sigmas=sigmas)


def test_it_survives_a_configuration_file(tmp_path: object) -> None:
    FlowMatchERSDEScheduler(shift=2.0, max_stage=2, noise_scale="sde").save_pretrained(str(tmp_path))
    loaded = FlowMatchERSDEScheduler.from_pretrained(str(tmp_path))
    assert (loaded.config.shift, loaded.config.max_stage, loaded.config.noise_scale) == (2.0, 2, "sde")
