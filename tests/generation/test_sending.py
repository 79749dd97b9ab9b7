"""What goes to a card and comes back: the same values as diffusers' own, on a CPU as on a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.utils.torch_utils import randn_tensor

from service.generation.er_sde import simple_schedule
from service.generation.sending import Fetching, SentEulerScheduler, Staging, all_finite, draw_noise, send
from service.generation.streams import take_own_stream

CPU = torch.device("cpu")


def test_noise_is_what_diffusers_draws() -> None:
    shape = (4, 1, 6, 8)

    def generators() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in (1, 2, 3)]

    theirs = randn_tensor((3, *shape), generator=generators(), device=CPU, dtype=torch.float32)
    assert torch.equal(draw_noise(shape, generators(), CPU, torch.float32), theirs)


@pytest.mark.parametrize("config", [{"shift": 3.0}, {"shift": 1.0, "shift_terminal": 0.02}])
def test_the_schedule_is_diffusers_own(config: dict[str, float]) -> None:
    theirs = FlowMatchEulerDiscreteScheduler(**config)
    ours = SentEulerScheduler.from_config(theirs.config)
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(sigmas=simple_schedule(8), device=CPU)
    assert torch.equal(ours.timesteps, theirs.timesteps)
    assert torch.equal(ours.sigmas, theirs.sigmas)
    assert ours.step_index is None
    assert ours.config.shift == theirs.config.shift


def test_what_is_there_is_not_sent() -> None:
    tensor = torch.ones(3)
    assert send(tensor, "cpu") is tensor
    assert send(tensor, None) is tensor


def test_pictures_come_as_bytes_in_order_with_what_was_not_finite() -> None:
    images = torch.rand(3, 3, 4, 6)
    images[1, 0, 0, 0] = float("nan")
    latents = torch.zeros(3, 2)
    latents[2, 1] = float("inf")
    pixels, finite = Fetching(images, all_finite(images, latents)).wait()
    assert finite == [True, False, False]
    assert [(each.shape, each.dtype) for each in pixels] == [((4, 6, 3), np.uint8)] * 3
    assert np.array_equal(pixels[0], (images[0] * 255).round().byte().permute(1, 2, 0).numpy())
    assert pixels[1][0, 0, 0] == 0


def test_without_a_gpu_a_thread_needs_no_stream() -> None:
    take_own_stream("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_thread_gets_its_own_stream_and_values_arrive() -> None:
    take_own_stream("cuda")
    assert torch.cuda.current_stream() != torch.cuda.default_stream()
    torch.cuda.set_stream(torch.cuda.default_stream())
    images = torch.rand(2, 3, 8, 8)
    pixels, _ = Fetching(send(images, "cuda"), torch.ones(2, dtype=torch.bool, device="cuda")).wait()
    expected, _ = Fetching(images, torch.ones(2, dtype=torch.bool)).wait()
    assert np.array_equal(np.stack(pixels), np.stack(expected))


@pytest.mark.parametrize("size", [512, 2048, 1 << 20])
def test_files_go_through_a_small_piece_of_memory_and_come_out_the_same(size: int) -> None:
    noise = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(37, 11, generator=noise).bfloat16(),
        torch.tensor(4.0),
        torch.randn(9, 300, generator=noise),
        torch.empty(0, 5),
        torch.randn(6, 8, generator=noise).half().t(),
        torch.randn(7, generator=noise).to(torch.float8_e4m3fn),
        torch.tensor([3, 4]),
    ]
    staging = Staging(None, size)
    for _ in range(2):
        sent = staging.send(tensors)
        for one, other in zip(tensors, sent, strict=True):
            assert (other.dtype, other.shape) == (one.dtype, one.shape)
            assert torch.equal(
                other.view(torch.uint8) if other.dtype.itemsize == 1 else other,
                one.view(torch.uint8) if one.dtype.itemsize == 1 else one,
            )
            assert other.is_contiguous()
        # As torch places tensors by themselves, so that the same kernels are picked.
        assert all((each.data_ptr() - sent[0].data_ptr()) % 512 == 0 for each in sent if each.numel())
        sent[0].zero_()
    assert staging.send([]) == []
