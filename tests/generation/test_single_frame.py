"""Single pictures through 2-D convolutions: the same values, differentiable, and back again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLQwenImage

from service.generation.single_frame import SingleFrameConv, restore_video_convolutions, use_single_frame


@pytest.fixture
def vae() -> AutoencoderKLQwenImage:
    torch.manual_seed(0)
    return AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 2, 2, 2], num_res_blocks=1, latents_mean=[0.0] * 4, latents_std=[1.0] * 4
    ).eval()


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.rand(2, 3, 1, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1


def encode(vae: AutoencoderKLQwenImage, picture: torch.Tensor) -> torch.Tensor:
    return vae.encode(picture).latent_dist.mode()


@torch.no_grad()
def test_values_stay_the_same(vae: AutoencoderKLQwenImage, picture: torch.Tensor) -> None:
    latents = encode(vae, picture)
    decoded = vae.decode(latents).sample
    use_single_frame(vae)
    assert any(isinstance(module, SingleFrameConv) for module in vae.modules())
    assert min(latents.std(), decoded.std()) > 1e-3
    torch.testing.assert_close(encode(vae, picture), latents, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(vae.decode(latents).sample, decoded, atol=2e-5, rtol=1e-4)


def test_a_trained_vae_goes_back_to_video_and_through_a_file(
    vae: AutoencoderKLQwenImage, picture: torch.Tensor, tmp_path: Path
) -> None:
    shapes = {name: weight.shape for name, weight in vae.state_dict().items()}
    use_single_frame(vae)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3)
    before = vae.decoder.conv_in.weight.detach().clone()
    loss = (vae.decode(encode(vae, picture)).sample - picture).square().mean()
    loss.backward()
    optimizer.step()
    assert vae.decoder.conv_in.weight.ndim == 4
    assert not torch.equal(vae.decoder.conv_in.weight, before)
    with torch.no_grad():
        latents = encode(vae, picture)
        decoded = vae.decode(latents).sample
        restore_video_convolutions(vae)
        assert {name: weight.shape for name, weight in vae.state_dict().items()} == shapes
        assert vae.decoder.conv_in.weight[:, :, :-1].abs().max() == 0
        vae.save_pretrained(tmp_path)
        loaded = AutoencoderKLQwenImage.from_pretrained(tmp_path)
        torch.testing.assert_close(encode(loaded, picture), latents, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(loaded.decode(latents).sample, decoded, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_a_restored_vae_takes_several_frames_again(vae: AutoencoderKLQwenImage) -> None:
    use_single_frame(vae)
    use_single_frame(vae)
    restore_video_convolutions(vae)
    clip = torch.zeros(1, 3, 5, 16, 16)
    assert vae.decode(encode(vae, clip)).sample.shape == clip.shape


@torch.no_grad()
def test_several_frames_are_refused_while_converted(vae: AutoencoderKLQwenImage) -> None:
    use_single_frame(vae)
    with pytest.raises(ValueError, match="single pictures"):
        vae.encode(torch.zeros(1, 3, 5, 16, 16))
