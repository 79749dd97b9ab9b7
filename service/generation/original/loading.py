"""Original files onto diffusers' classes, tensor by tensor and none left over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from service.checkpoints.header import read_header
from service.checkpoints.naming import TEXT_CONDITIONER, TRANSFORMER, original_name
from service.generation.errors import UnusableBase
from service.generation.original.configs import conditioner_config, text_encoder_config, transformer_config, vae_config
from service.generation.original.files import AnimaFiles
from service.generation.original.parts import Shapes, read_contents, shapes_of

_RESIDUAL = {"norm1": "residual.0", "conv1": "residual.2", "norm2": "residual.3", "conv2": "residual.6"}
_MIDDLE = {"resnets.0": "middle.0", "attentions.0": "middle.1", "resnets.1": "middle.2"}
_VAE_ENDS = {
    "quant_conv": "conv1",
    "post_quant_conv": "conv2",
    **{f"{side}.{ours}": f"{side}.{theirs}" for side in ("encoder", "decoder") for ours, theirs in (
        ("conv_in", "conv1"), ("norm_out", "head.0"), ("conv_out", "head.2"))},
}  # fmt: skip


def load_components(files: AnimaFiles, dtype: torch.dtype) -> dict[str, Any]:
    """Every component of an Anima pipeline from single files, on the CPU.

    Args:
        files: where they lie.
        dtype: of the weights; what a file holds is rounded to it once.

    Raises:
        UnusableBase: tensors are missing, left over, or of another shape (first ten named).
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    components: dict[str, Any] = {
        name: load_component(name, getattr(files, _FILE_OF[name]), dtype) for name in _FILE_OF
    }
    components["tokenizer"] = read_tokenizer(files.tokenizer, components["text_encoder"].config.vocab_size)
    t5_size = components["text_conditioner"].config.target_vocab_size
    components["t5_tokenizer"] = read_tokenizer(files.t5_tokenizer, t5_size)
    components["scheduler"] = FlowMatchEulerDiscreteScheduler(shift=3.0)
    return components


_FILE_OF = {
    "transformer": "diffusion",
    "text_conditioner": "diffusion",
    "text_encoder": "text_encoder",
    "vae": "vae",
}


def outline(files: AnimaFiles) -> Mapping[str, torch.nn.Module]:
    """The parts that an adapter may change, without their weights, from the headers alone."""
    return {
        name: outline_component(name, getattr(files, _FILE_OF[name]))
        for name in ("transformer", "text_conditioner", "text_encoder")
    }


def outline_component(name: str, path: Path) -> Any:
    """One component without its weights, from the header of the file that holds it."""
    _, shapes = _names_and_shapes(name, path)
    with torch.device("meta"):
        return _BUILDERS[name](shapes)


def load_component(name: str, path: Path, dtype: torch.dtype) -> Any:
    """One of ``transformer``, ``text_conditioner``, ``text_encoder``, ``vae`` from the file that holds it."""
    from accelerate import init_empty_weights

    names, shapes = _names_and_shapes(name, path)
    # Only parameters are left empty: buffers such as rotary tables are computed, not stored.
    with init_empty_weights(include_buffers=False):
        model = _BUILDERS[name](shapes)
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    original = {key: _ORIGINAL[name](key, model) for key in expected}
    check_names(path, name, expected, original, shapes)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            state = {key: file.get_tensor(names[inner]).to(dtype) for key, inner in original.items()}
    except (SafetensorError, OSError) as error:
        raise UnusableBase(f"{path.name} cannot be read: {error}") from error
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval()


def original_vae_name(key: str, config: Mapping[str, Any]) -> str:
    """The name in the original VAE file of a weight of ``AutoencoderKLQwenImage``.

    >>> original_vae_name("decoder.up_blocks.1.upsamplers.0.resample.1.weight", {"num_res_blocks": 2})
    'decoder.upsamples.7.resample.1.weight'
    """
    for ours, theirs in _VAE_ENDS.items():
        if key.startswith(f"{ours}."):
            return theirs + key.removeprefix(ours)
    middle = re.fullmatch(r"(encoder|decoder)\.mid_block\.(resnets\.\d|attentions\.0)\.(.+)", key)
    if middle:
        return f"{middle[1]}.{_MIDDLE[middle[2]]}.{_residual(middle[3])}"
    down = re.fullmatch(r"encoder\.down_blocks\.(\d+)\.(.+)", key)
    if down:
        return f"encoder.downsamples.{down[1]}.{_residual(down[2])}"
    up = re.fullmatch(r"decoder\.up_blocks\.(\d+)\.(resnets|upsamplers)\.(\d+)\.(.+)", key)
    if up is None:
        return key
    blocks = config["num_res_blocks"]
    place = int(up[1]) * (blocks + 2) + (int(up[3]) if up[2] == "resnets" else blocks + 1)
    return f"decoder.upsamples.{place}.{_residual(up[4])}"


def _residual(rest: str) -> str:
    head, dot, tail = rest.partition(".")
    head = "shortcut" if head == "conv_shortcut" else _RESIDUAL.get(head, head)
    return f"{head}{dot}{tail}"


def _original_transformer(key: str, model: Any) -> str:
    path, _, kind = key.rpartition(".")
    return f"{original_name(TRANSFORMER, path)}.{kind}"


def _original_conditioner(key: str, model: Any) -> str:
    path, _, kind = key.rpartition(".")
    return f"{original_name(TEXT_CONDITIONER, path).removeprefix('llm_adapter.')}.{kind}"


_ORIGINAL: Mapping[str, Callable[[str, Any], str]] = {
    "transformer": _original_transformer,
    "text_conditioner": _original_conditioner,
    "text_encoder": lambda key, model: key,
    "vae": lambda key, model: original_vae_name(key, model.config),
}


def _transformer(shapes: Shapes) -> Any:
    from diffusers import CosmosTransformer3DModel

    return CosmosTransformer3DModel(**transformer_config(shapes))


def _conditioner(shapes: Shapes) -> Any:
    from diffusers import AnimaTextConditioner

    return AnimaTextConditioner(**conditioner_config(shapes))


def _text_encoder(shapes: Shapes) -> Any:
    from transformers import Qwen3Config, Qwen3Model

    return Qwen3Model(Qwen3Config(**text_encoder_config(shapes)))


def _vae(shapes: Shapes) -> Any:
    from diffusers import AutoencoderKLQwenImage

    return AutoencoderKLQwenImage(**vae_config(shapes))


_BUILDERS: Mapping[str, Callable[[Shapes], Any]] = {
    "transformer": _transformer,
    "text_conditioner": _conditioner,
    "text_encoder": _text_encoder,
    "vae": _vae,
}


def _names_and_shapes(name: str, path: Path) -> tuple[Mapping[str, str], Shapes]:
    header = read_header(path, empty_tensors=True)
    names: Mapping[str, str] = getattr(read_contents(path, header), name)
    if not names:
        raise UnusableBase(f"{path.name} holds no {name.replace('_', ' ')}")
    return names, shapes_of(header, names)


def check_names(path: Path, name: str, expected: Shapes, original: Mapping[str, str], shapes: Shapes) -> None:
    """Refuse a file unless it has every weight of a model, and nothing else.

    Args:
        path: of the file.
        name: of the component, for the message.
        expected: each weight of the model with its shape; those that are not here are not compared.
        original: each weight of the model to its name in the file.
        shapes: what the file has.

    Raises:
        UnusableBase: tensors are missing, left over, or of another shape (first ten named).
    """
    missing = [inner for inner in original.values() if inner not in shapes]
    over = [inner for inner in shapes if inner not in set(original.values())]
    misfits = [
        f"{inner} {list(shapes[inner])} for {list(expected[key])}"
        for key, inner in original.items()
        if inner in shapes and shapes[inner] != expected.get(key, shapes[inner])
    ]
    problems = [
        f"{len(found)} tensors {words}: {', '.join(map(ascii, found[:10]))}"
        for found, words in ((missing, "are missing"), (over, "have no place"), (misfits, "have another shape"))
        if found
    ]
    if problems:
        raise UnusableBase(f"{path.name} does not fit the {name.replace('_', ' ')}: {'; '.join(problems)}")


def read_tokenizer(folder: Path, vocabulary: int) -> Any:
    """A tokenizer from its folder, without the network.

    Raises:
        UnusableBase: it cannot be read, or knows more tokens than the model.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UnusableBase(f"the tokenizer in {folder} cannot be read: {str(error).splitlines()[0]}") from error
    if len(tokenizer) > vocabulary:
        raise UnusableBase(
            f"the tokenizer in {folder} knows {len(tokenizer)} tokens and the model {vocabulary}: it is another model's"
        )
    return tokenizer
