"""The networks of our own and how their weights are stored. Importing this module imports torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from detectors.errors import MissingWeights


class Block(nn.Sequential):
    """Two 3x3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """A small U-Net that paints maps and answers questions about the whole input.

    Attributes:
        channels: width of each level, finest first; every level halves the resolution.
        maps: number of painted output channels.
        attributes: number of classes of each whole-input question, by name.
        inputs: number of input channels.
        stop: level at which the decoder stops: 0 paints at full resolution, 1 at half.
    """

    def __init__(
        self,
        channels: Sequence[int],
        maps: int,
        attributes: Mapping[str, int] | None = None,
        inputs: int = 3,
        stop: int = 0,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "channels": list(channels),
            "maps": maps,
            "attributes": dict(attributes or {}),
            "inputs": inputs,
            "stop": stop,
        }
        self.stop = stop
        widths = [inputs, *channels]
        self.down = nn.ModuleList(Block(a, b) for a, b in pairwise(widths))
        self.up = nn.ModuleList(
            Block(channels[i + 1] + channels[i], channels[i]) for i in range(stop, len(channels) - 1)
        )
        self.paint = nn.Conv2d(channels[stop], maps, 1)
        self.answer = nn.ModuleDict(
            {name: nn.Linear(2 * channels[-1], classes) for name, classes in (attributes or {}).items()}
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Paint and answer.

        Args:
            pictures: (B, inputs, H, W), normalised by :func:`normalise`; H and W divide by ``2 ** (levels - 1)``.

        Returns:
            Maps as logits, (B, maps, H / 2**stop, W / 2**stop), and for each attribute its logits (B, classes).
        """
        x, kept = pictures, []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        for level in range(len(kept) - 2, self.stop - 1, -1):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.up[level - self.stop](torch.cat([x, kept[level]], 1))
        return self.paint(x), {name: layer(pooled) for name, layer in self.answer.items()}


class Reader(nn.Module):
    """A small network that answers questions about a crop, for machines without a GPU.

    Attributes:
        channels: width of each level, finest first; every level but the third halves the resolution.
        attributes: number of classes of each question, by name.
        inputs: number of input channels.
    """

    def __init__(self, channels: Sequence[int], attributes: Mapping[str, int], inputs: int = 3) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"channels": list(channels), "attributes": dict(attributes), "inputs": inputs}
        layers: list[nn.Module] = []
        for level, (before, width) in enumerate(pairwise([inputs, *channels])):
            layers += [
                nn.Conv2d(before, width, 3, 1 if level == 2 else 2, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            if level >= 2:
                layers += [
                    nn.Conv2d(width, width, 3, padding=1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.ReLU(inplace=True),
                ]
        self.body = nn.Sequential(*layers)
        self.answer = nn.ModuleDict({name: nn.Linear(2 * channels[-1], n) for name, n in attributes.items()})

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """Answer.

        Args:
            crops: (B, inputs, H, W), colours normalised by :func:`normalise`.

        Returns:
            For each question its logits, (B, classes).
        """
        x = self.body(crops)
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return {name: layer(pooled) for name, layer in self.answer.items()}


def normalise(pictures: Tensor) -> Tensor:
    """Bring pictures from 0..1 to the range that every network of ours is trained on."""
    return (pictures - 0.5) * 4.0


def save_weights(path: Path, state: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write weights in half precision, atomically, with ``meta`` as JSON in the file's header."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous().clone()
        for name, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, {"bleedcheck": json.dumps(dict(meta), sort_keys=True)})
    partial.replace(path)


def load_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_weights` wrote, floating point tensors in single precision.

    Raises:
        MissingWeights: there is no such file.
    """
    if not path.is_file():
        raise MissingWeights(
            f"The detector weights {path.name} are not at {path}. Train them with "
            f"`python -m benchmarks.detectors.train all` or put the file there."
        )
    with safe_open(path, "pt") as file:
        meta = json.loads((file.metadata() or {}).get("bleedcheck", "{}"))
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}, meta


def load_unet(path: Path, device: str) -> tuple[UNet, dict[str, Any]]:
    """A :class:`UNet` in evaluation mode from its file, and the file's own notes."""
    state, meta = load_weights(path)
    network = UNet(**meta["network"])
    network.load_state_dict(state)
    return network.to(device).eval(), meta


def load_reader(path: Path, device: str) -> Reader:
    """A :class:`Reader` in evaluation mode from its file."""
    state, meta = load_weights(path)
    network = Reader(**meta["network"])
    network.load_state_dict(state)
    return network.to(device).eval()
