"""Attention of Anima's denoiser without copies that change nothing.

diffusers' processor repeats each key and value as often as the query's heads are wider than theirs. Here they are as
wide, so each is repeated once, which copies them all at every step and keeps the compiler from writing them where
attention reads them. The values are the same to the bit.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_cosmos import CosmosAttnProcessor2_0


class LeanAttention:
    """What ``CosmosAttnProcessor2_0`` computes, for queries, keys and values of one width."""

    def __call__(
        self,
        attention: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: Any = None,
    ) -> torch.Tensor:
        """Attend from (batch, tokens, width) to itself or to a text; the names are diffusers'."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        heads = (attention.heads, -1)
        query = attention.norm_q(attention.to_q(hidden_states).unflatten(2, heads).transpose(1, 2))
        key = attention.norm_k(attention.to_k(context).unflatten(2, heads).transpose(1, 2))
        value = attention.to_v(context).unflatten(2, heads)
        if image_rotary_emb is not None:
            query = apply_rotary_emb(query, image_rotary_emb, use_real=True, use_real_unbind_dim=-2)
            key = apply_rotary_emb(key, image_rotary_emb, use_real=True, use_real_unbind_dim=-2)
        seen = dispatch_attention_fn(
            query.transpose(1, 2), key.transpose(1, 2), value, attn_mask=attention_mask, dropout_p=0.0, is_causal=False
        )
        projected: torch.Tensor = attention.to_out[0](seen.flatten(2, 3).type_as(query))
        return projected


def use_lean_attention(denoiser: torch.nn.Module) -> int:
    """Give every attention of a Cosmos transformer the lean processor where it computes the same; to how many."""
    theirs = CosmosAttnProcessor2_0
    found: list[Any] = [one for one in denoiser.modules() if type(getattr(one, "processor", None)) is theirs]
    lean = [attention for attention in found if _is_even(attention)]
    for attention in lean:
        attention.processor = LeanAttention()
    return len(lean)


def _is_even(attention: Any) -> bool:
    """Whether queries, keys and values are of one width, and nothing is dropped out of the result."""
    widths = {int(layer.out_features) for layer in (attention.to_q, attention.to_k, attention.to_v)}
    return len(widths) == 1 and float(attention.to_out[1].p) == 0.0
