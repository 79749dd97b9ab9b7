"""One module, three names: diffusers' path, the original Cosmos-Predict2/Anima path, and kohya's flattened one.

* transformer: ``transformer_blocks.0.attn1.to_q``, ``blocks.0.self_attn.q_proj``,
  ``lora_unet_blocks_0_self_attn_q_proj``
* text_conditioner: ``blocks.0.self_attn.q_proj``, ``llm_adapter.blocks.0.self_attn.q_proj``,
  ``lora_unet_llm_adapter_blocks_0_self_attn_q_proj``
* text_encoder: ``layers.0.mlp.up_proj``, the same, ``lora_te_layers_0_mlp_up_proj``

Other families have spellings of their own, see :mod:`service.checkpoints.unet_names` and ``dit_names``.

A flattened name cannot be split by its underscores (``adaln_modulation_self_attn_1``), so :class:`NameMap` flattens
every module that a model really has and looks the file's name up among them. Names that two modules would share are
left out: they resolve to nothing rather than to the wrong layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from service.checkpoints.dit_names import Spellings, transformer_spellings
from service.checkpoints.unet_names import UNET, original_unet_names

TRANSFORMER = "transformer"
TEXT_CONDITIONER = "text_conditioner"
TEXT_ENCODER = "text_encoder"
TEXT_ENCODER_2 = "text_encoder_2"

_BLOCK_NAMES = {
    "norm1.linear_1": "adaln_modulation_self_attn.1",
    "norm1.linear_2": "adaln_modulation_self_attn.2",
    "norm2.linear_1": "adaln_modulation_cross_attn.1",
    "norm2.linear_2": "adaln_modulation_cross_attn.2",
    "norm3.linear_1": "adaln_modulation_mlp.1",
    "norm3.linear_2": "adaln_modulation_mlp.2",
    "ff.net.0.proj": "mlp.layer1",
    "ff.net.2": "mlp.layer2",
    **{
        f"{attention}.{inner}": f"{original}.{original_inner}"
        for attention, original in (("attn1", "self_attn"), ("attn2", "cross_attn"))
        for inner, original_inner in (
            ("to_q", "q_proj"),
            ("to_k", "k_proj"),
            ("to_v", "v_proj"),
            ("to_out.0", "output_proj"),
            ("norm_q", "q_norm"),
            ("norm_k", "k_norm"),
        )
    },
}
_TOP_NAMES = {
    "patch_embed.proj": "x_embedder.proj.1",
    "time_embed.t_embedder.linear_1": "t_embedder.1.linear_1",
    "time_embed.t_embedder.linear_2": "t_embedder.1.linear_2",
    "time_embed.norm": "t_embedding_norm",
    "norm_out.linear_1": "final_layer.adaln_modulation.1",
    "norm_out.linear_2": "final_layer.adaln_modulation.2",
    "proj_out": "final_layer.linear",
}
_BLOCK_NAMES_BACK = {original: diffusers for diffusers, original in _BLOCK_NAMES.items()}
_TOP_NAMES_BACK = {original: diffusers for diffusers, original in _TOP_NAMES.items()}
_UNET_KEY = re.compile(r"(?:input|output|middle|down|up|mid)_blocks?[._]|label_emb|add_embedding")
_DIFFUSERS_BLOCK = re.compile(r"transformer_blocks\.(\d+)\.(.+)")
_ORIGINAL_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")

# What stands before a module's path in a file. The first of each is what this project writes.
_DOTTED_PREFIXES: Mapping[str, tuple[str, ...]] = {
    TRANSFORMER: (
        "transformer.",
        "diffusion_model.",
        "model.diffusion_model.",
        "unet.",
        "net.",
        "",
    ),
    TEXT_CONDITIONER: ("text_conditioner.",),
    TEXT_ENCODER: (
        "text_encoder.",
        "text_encoder.model.",
        "text_encoders.qwen3_06b.transformer.model.",
        "text_encoders.qwen3_06b.transformer.",
        "text_encoders.qwen3_06b.",
        "qwen3.",
        "text_encoders.clip_l.transformer.",
    ),
    TEXT_ENCODER_2: ("text_encoder_2.", "text_encoders.t5xxl.transformer."),
    UNET: ("unet.", "diffusion_model.", "model.diffusion_model.", ""),
}
_FLAT_PREFIXES: Mapping[str, tuple[str, ...]] = {
    TRANSFORMER: ("lora_unet_", "lora_transformer_", "lycoris_"),
    TEXT_CONDITIONER: ("lora_text_conditioner_",),
    TEXT_ENCODER: ("lora_te_", "lora_te1_", "lora_text_encoder_"),
    TEXT_ENCODER_2: ("lora_te2_", "lora_te3_", "lora_text_encoder_2_"),  # sd-scripts counts Flux's T5 as the third
    UNET: ("lora_unet_", "lycoris_"),
}
# The original model holds the conditioner as `llm_adapter` inside the transformer; Forge moved it to the text encoder.
_ADAPTER_DOTTED = (
    "diffusion_model.",
    "transformer.",
    "model.diffusion_model.",
    "net.",
    "qwen3.",
    "text_encoders.qwen3_06b.",
    "",
)
_ADAPTER_FLAT = ("lora_unet_", "lora_te_", "lora_transformer_", "lycoris_")


@dataclass(frozen=True, order=True)
class ModuleName:
    """A module of the base model: the component's name and the module's path inside it, as diffusers spells it."""

    component: str
    path: str


def original_name(component: str, path: str) -> str:
    """The path in the original (ComfyUI) checkpoint, without ``diffusion_model.``.

    Paths without an original name of their own come back unchanged.

    >>> original_name("transformer", "transformer_blocks.3.attn1.to_out.0")
    'blocks.3.self_attn.output_proj'
    >>> original_name("text_conditioner", "blocks.0.mlp.2")
    'llm_adapter.blocks.0.mlp.2'
    """
    if component == TEXT_CONDITIONER:
        return f"llm_adapter.{path}"
    if component != TRANSFORMER:
        return path
    block = _DIFFUSERS_BLOCK.fullmatch(path)
    if block:
        return f"blocks.{block[1]}.{_BLOCK_NAMES.get(block[2], block[2])}"
    return _TOP_NAMES.get(path, path)


def diffusers_name(original: str) -> ModuleName:
    """The diffusers module of an original dotted transformer or ``llm_adapter`` path: the inverse of `original_name`.

    >>> diffusers_name("blocks.3.mlp.layer1")
    ModuleName(component='transformer', path='transformer_blocks.3.ff.net.0.proj')
    """
    if original.startswith("llm_adapter."):
        return ModuleName(TEXT_CONDITIONER, original.removeprefix("llm_adapter."))
    block = _ORIGINAL_BLOCK.fullmatch(original)
    if block:
        return ModuleName(
            TRANSFORMER,
            f"transformer_blocks.{block[1]}.{_BLOCK_NAMES_BACK.get(block[2], block[2])}",
        )
    return ModuleName(TRANSFORMER, _TOP_NAMES_BACK.get(original, original))


def kohya_name(component: str, path: str) -> str:
    """The flattened name that sd-scripts, AnimaLoraToolkit and OneTrainer write.

    >>> kohya_name("transformer", "transformer_blocks.0.norm1.linear_1")
    'lora_unet_blocks_0_adaln_modulation_self_attn_1'
    >>> kohya_name("text_encoder", "layers.0.self_attn.q_proj")
    'lora_te_layers_0_self_attn_q_proj'
    """
    prefix = "lora_te_" if component == TEXT_ENCODER else "lora_unet_"
    return prefix + original_name(component, path).replace(".", "_")


def component_of(key: str) -> str:
    """The component that a file's module name speaks about, judged from the name alone.

    >>> component_of("lora_unet_llm_adapter_blocks_0_self_attn_q_proj")
    'text_conditioner'
    """
    key = key.removeprefix("base_model.model.")
    if "llm_adapter" in key or key.startswith(("text_conditioner.", "lora_text_conditioner_")):
        return TEXT_CONDITIONER
    if key.startswith((*_FLAT_PREFIXES[TEXT_ENCODER_2], *_DOTTED_PREFIXES[TEXT_ENCODER_2])):
        return TEXT_ENCODER_2
    if key.startswith((*_FLAT_PREFIXES[TEXT_ENCODER], *_DOTTED_PREFIXES[TEXT_ENCODER])):
        return TEXT_ENCODER
    if _UNET_KEY.search(key):
        return UNET
    return TRANSFORMER


@dataclass(frozen=True)
class JoinedName:
    """A layer named by a file that the base keeps in several modules.

    Attributes:
        modules: in the order of the layer's outputs.
        swapped: the two halves of its outputs lie the other way round.
    """

    modules: tuple[ModuleName, ...]
    swapped: bool = False


class NameMap:
    """Looks up the names found in files among the modules that a model really has.

    Args:
        modules: for each component the paths of its modules, as in ``dict(model.named_modules())``.

    >>> names = NameMap({"transformer": ["transformer_blocks.0.attn1.to_q"]})
    >>> names.resolve("lora_unet_blocks_0_self_attn_q_proj").path
    'transformer_blocks.0.attn1.to_q'
    >>> names.resolve("lora_unet_input_blocks_4_1_proj_in") is None
    True
    """

    def __init__(self, modules: Mapping[str, Iterable[str]]) -> None:
        self._targets: dict[str, ModuleName | None] = {}
        self._joined: dict[str, JoinedName] = {}
        for component, paths in modules.items():
            known_paths = list(paths)
            spellings = _spellings(component, known_paths)
            for path in known_paths:
                name = ModuleName(component, path)
                for alias in _aliases(name, spellings.single[path]):
                    known = self._targets.setdefault(alias, name)
                    if known != name:
                        self._targets[alias] = None
            for original, joined in spellings.joined.items():
                named = JoinedName(tuple(ModuleName(component, path) for path in joined.paths), joined.swapped)
                self._joined |= dict.fromkeys(_prefixed(component, {original}), named)

    def resolve(self, key: str) -> ModuleName | None:
        """The module named by a file, or ``None`` when the model has no such module or the name is ambiguous."""
        return self._targets.get(key.removeprefix("base_model.model."))

    @property
    def keeps_joined(self) -> bool:
        """Whether there is any layer that files may name whole and the model keeps in several modules."""
        return bool(self._joined)

    def joined(self, key: str) -> JoinedName | None:
        """The modules in which the model keeps a layer named by a file, or ``None`` for a layer that it has whole."""
        return self._joined.get(key.removeprefix("base_model.model."))


def _spellings(component: str, paths: list[str]) -> Spellings:
    if component == UNET:
        return Spellings(original_unet_names(paths))
    found = transformer_spellings(paths) if component == TRANSFORMER else None
    return found or Spellings({path: original_name(component, path) for path in paths})


def _aliases(name: ModuleName, original: str) -> Iterator[str]:
    component = name.component
    if component == TEXT_CONDITIONER:
        yield from _prefixed(component, {name.path})
        yield from (prefix + original for prefix in _ADAPTER_DOTTED)
        yield from (prefix + original.replace(".", "_") for prefix in _ADAPTER_FLAT)
        return
    # A causal language model wraps the encoder in `model`; files name the layers with and without it.
    path = name.path.removeprefix("model.") if component == TEXT_ENCODER else name.path
    spellings = {path, original.removeprefix("model.") if component == TEXT_ENCODER else original}
    if component in (TEXT_ENCODER, TEXT_ENCODER_2):
        # CLIP's layers lie in `text_model`, which newer libraries leave out.
        spellings |= {path.removeprefix("text_model."), f"text_model.{path.removeprefix('text_model.')}"}
    yield from _prefixed(component, spellings)


def _prefixed(component: str, spellings: set[str]) -> Iterator[str]:
    """Every way in which files write these names of a component."""
    dotted = _DOTTED_PREFIXES.get(component, (f"{component}.",))
    flat = _FLAT_PREFIXES.get(component, (f"lora_{component}_",))
    for spelling in spellings:
        yield from (prefix + spelling for prefix in dotted)
        yield from (prefix + spelling.replace(".", "_") for prefix in flat)
