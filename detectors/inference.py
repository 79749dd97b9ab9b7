"""Making networks quicker without changing what they answer. Importing this module imports torch."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def prepared(network: nn.Module) -> nn.Module:
    """A network in evaluation mode, with every batch normalisation folded into the convolution before it.

    The memory format is the one in which convolutions are quickest. Answers stay the same to within rounding.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for number in range(len(module) - 1):
                first, second = module[number], module[number + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[number], module[number + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    quick: Any = network
    quick.to(memory_format=torch.channels_last)
    return network


def prepare_all(holder: Any) -> None:
    """Prepare every network that a dataclass of loaded models holds, in place, also inside of further dataclasses."""
    for each in fields(holder):
        value = getattr(holder, each.name)
        if isinstance(value, nn.Module):
            object.__setattr__(holder, each.name, prepared(value))
        elif hasattr(value, "__dataclass_fields__"):
            prepare_all(value)
