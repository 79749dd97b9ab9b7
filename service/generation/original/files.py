"""Which files make up an Anima kept as single files, and where they are looked for.

A base is written ``PATH.safetensors`` or ``comfyui:FOLDER`` (a ComfyUI folder, its ``models`` folder, or one file
inside it), each with any of ``;text_encoder=PATH``, ``;vae=PATH``, ``;tokenizers=FOLDER`` behind it. What is not named
is taken from the file itself if it is a merged one, then looked for in the ComfyUI folder, then beside the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.checkpoints.header import read_header
from service.checkpoints.inspection import file_sha256
from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.original.parts import Contents, read_contents

COMFYUI_PREFIX = "comfyui:"
OPTIONS = ("text_encoder", "vae", "tokenizers")
TEXT_ENCODER_FILE = "qwen_3_06b_base.safetensors"
VAE_FILE = "qwen_image_vae.safetensors"
DIFFUSION_FOLDERS = ("diffusion_models", "unet", "checkpoints")
TOKENIZER_FOLDERS = {"tokenizer": ("qwen25_tokenizer", "tokenizer"), "t5_tokenizer": ("t5_tokenizer",)}
"""For each tokenizer the names its folder may have: ComfyUI's and diffusers'."""
_HUB_BASE = "circlestone-labs/Anima-Base-v1.0-Diffusers"


@dataclass(frozen=True)
class AnimaFiles:
    """The files of one base.

    Attributes:
        diffusion: the diffusion model, or a merged file.
        text_encoder: where the text encoder lies; the same file if it is merged.
        vae: likewise.
        tokenizer: folder of Qwen's tokenizer.
        t5_tokenizer: folder of T5's.
    """

    diffusion: Path
    text_encoder: Path
    vae: Path
    tokenizer: Path
    t5_tokenizer: Path

    def files(self) -> list[Path]:
        """Every file, each once."""
        folders = [path for folder in (self.tokenizer, self.t5_tokenizer) for path in sorted(folder.iterdir())]
        return list(dict.fromkeys([self.diffusion, self.text_encoder, self.vae, *filter(Path.is_file, folders)]))

    def identity(self) -> str:
        """A hash of every file's content."""
        digest = hashlib.sha256()
        for path in self.files():
            digest.update(f"{file_sha256(path)}\n".encode())
        return f"files:{digest.hexdigest()}"


def is_single_file(base: str) -> bool:
    """Whether a base is written as single files."""
    return base.startswith(COMFYUI_PREFIX) or base.partition(";")[0].lower().endswith(".safetensors")


def find_files(base: str) -> AnimaFiles:
    """The files that a base means.

    Raises:
        BaseNotFound: a file is missing; the message says which and where it was looked for.
        UnusableBase: there are several candidates, an option is unknown, or a file is not what it should be.
    """
    place, options = split_options(base)
    diffusion, root = _diffusion(place)
    contents = read_contents(diffusion, read_header(diffusion))
    _require_anima(diffusion, contents)
    near = [folder for folder in (root, diffusion.parent) if folder is not None]
    text_encoder = options.get("text_encoder") or _component(
        "text_encoder", diffusion, contents, TEXT_ENCODER_FILE, near, ("text_encoders", "clip")
    )
    vae = options.get("vae") or _component("vae", diffusion, contents, VAE_FILE, near, ("vae",))
    tokenizers = _tokenizers(options.get("tokenizers"), root, diffusion.parent)
    return AnimaFiles(diffusion, text_encoder, vae, **tokenizers)


def split_options(base: str) -> tuple[str, dict[str, Path]]:
    """The place and the named files of a base.

    Raises:
        UnusableBase: an option is unknown.
        BaseNotFound: a named file is not there.
    """
    place, *parts = base.split(";")
    options: dict[str, Path] = {}
    for part in parts:
        name, _, value = part.partition("=")
        if name not in OPTIONS or not value:
            raise UnusableBase(
                f"{part!r} is no part of a base; there are {', '.join(f'{each}=PATH' for each in OPTIONS)}"
            )
        options[name] = Path(value).expanduser()
        if not options[name].exists():
            raise BaseNotFound(f"there is no {name.replace('_', ' ')} at {value}")
    return place, options


def whole_paths(base: str) -> str:
    """The same base with absolute paths, so that it means the same in another working folder."""
    place, *parts = base.split(";")
    prefix = COMFYUI_PREFIX if place.startswith(COMFYUI_PREFIX) else ""
    whole = [f"{prefix}{Path(place.removeprefix(prefix)).expanduser().resolve()}"]
    for part in parts:
        name, equals, value = part.partition("=")
        whole.append(f"{name}={Path(value).expanduser().resolve()}" if equals else part)
    return ";".join(whole)


def _diffusion(place: str) -> tuple[Path, Path | None]:
    """The diffusion model's file, and the ComfyUI folder it belongs to, if any."""
    path = Path(place.removeprefix(COMFYUI_PREFIX)).expanduser()
    if path.is_file():
        return path, _root_of(path)
    if not path.is_dir():
        raise BaseNotFound(f"there is no file or folder {path}")
    root = path.parent if path.name == "models" else path
    found = sorted(candidate for candidate in _diffusion_files(root) if "anima" in candidate.name.lower())
    if not found:
        places = ", ".join(str(root / "models" / name) for name in DIFFUSION_FOLDERS)
        raise BaseNotFound(f"no file whose name says anima lies in {places}; give the file itself as the base")
    if len(found) > 1:
        raise UnusableBase(
            f"{root} has several Anima models ({', '.join(each.name for each in found)}): say which, as in "
            f"{COMFYUI_PREFIX}{found[0]}"
        )
    return found[0], root


def _diffusion_files(root: Path) -> Iterator[Path]:
    for name in DIFFUSION_FOLDERS:
        yield from (root / "models" / name).rglob("*.safetensors")


def _root_of(path: Path) -> Path | None:
    return next((folder.parent for folder in path.resolve().parents if folder.name == "models"), None)


def _require_anima(path: Path, contents: Contents) -> None:
    if not contents.transformer or not contents.text_conditioner:
        lacking = "no diffusion model" if not contents.transformer else "no llm_adapter (Anima's text conditioner)"
        raise UnusableBase(
            f"{path.name} holds {lacking}: it is no Anima diffusion model"
            + (", but may be a plain Cosmos-Predict2" if contents.transformer else "")
        )


def _component(
    name: str, diffusion: Path, contents: Contents, file_name: str, near: list[Path], folders: tuple[str, ...]
) -> Path:
    if getattr(contents, name):
        return diffusion
    places = [folder / "models" / sub / file_name for folder in near for sub in folders]
    places += [folder / file_name for folder in near]
    for place in places:
        if place.is_file():
            return place
    raise BaseNotFound(
        f"{diffusion.name} needs a {name.replace('_', ' ')}: there is none at {' or '.join(map(str, places))}. Put "
        f"{file_name} there, or name it with --{name.replace('_', '-')}"
    )


def _tokenizers(named: Path | None, root: Path | None, beside: Path) -> Mapping[str, Path]:
    """The folder of each tokenizer: named, ComfyUI's own, beside the file, or from the hub's cache."""
    places = [named] if named is not None else [*([root / "comfy" / "text_encoders"] if root else []), beside]
    found: dict[str, Path] = {}
    for tokenizer, names in TOKENIZER_FOLDERS.items():
        candidates = [place / name for place in places for name in names]
        cached = _cached(tokenizer) if named is None else None
        place = next((each for each in [*candidates, *([cached] if cached else [])] if _is_tokenizer(each)), None)
        if place is None:
            raise BaseNotFound(
                f"Anima needs two tokenizers, and there is none at {' or '.join(map(str, candidates))}. Name a folder "
                "with --tokenizers that has qwen25_tokenizer (vocab.json, merges.txt, tokenizer_config.json, or one "
                "tokenizer.json) and t5_tokenizer (tokenizer.json, tokenizer_config.json), such as "
                "ComfyUI/comfy/text_encoders"
            )
        found[tokenizer] = place
    return found


def _is_tokenizer(folder: Path) -> bool:
    whole = (folder / "tokenizer.json").is_file()
    return whole or ((folder / "vocab.json").is_file() and (folder / "merges.txt").is_file())


def _cached(tokenizer: str) -> Path | None:
    """A tokenizer of the diffusers base that was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(_HUB_BASE, f"{tokenizer}/tokenizer.json")
    return Path(file).parent if isinstance(file, str) else None
