"""Which part of an adapter a tensor is, by the end of its name."""

from __future__ import annotations

import re

_ROLES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"(?P<module>.+)\.(?:{pattern})"), role)
    for pattern, role in (
        (r"lora_down\.weight|lora_A(?:\.[^.]+)?\.weight|lora_A|lora\.down\.weight", "down"),
        (r"lora_up\.weight|lora_B(?:\.[^.]+)?\.weight|lora_B|lora\.up\.weight", "up"),
        (r"lora_mid\.weight", "mid"),
        (r"alpha", "alpha"),
        (r"dora_scale|lora_magnitude_vector(?:\.[^.]+){0,2}", "dora"),
        (r"diff|w_norm", "diff"),
        (r"diff_b|b_norm", "diff_b"),
        *((name, name) for name in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")),
        *((name, name) for name in ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b")),
        ("lokr_t2", "lokr_t2"),
    )
)


def split_role(name: str) -> tuple[str, str | None]:
    """A tensor's module and the part it plays in the difference; ``None`` for a tensor that is no part of an adapter.

    >>> split_role("lora_unet_blocks_0_mlp_layer1.lora_down.weight")
    ('lora_unet_blocks_0_mlp_layer1', 'down')
    >>> split_role("blocks.0.mlp.layer1.weight")
    ('blocks.0.mlp.layer1.weight', None)
    """
    for pattern, role in _ROLES:
        match = pattern.fullmatch(name)
        if match:
            return match["module"], role
    return name, None
