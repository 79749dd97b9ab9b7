"""Where the files of a base lie that is kept as single files, and whether each is what belongs there.

A base is written ``PATH.safetensors`` or ``comfyui:FOLDER`` (a ComfyUI folder, its ``models`` folder, or one file
inside it), each with any of :data:`OPTIONS` behind it, as in ``;vae=PATH``. What is not named is looked for in the
ComfyUI folder, then beside the file: first under the name that ComfyUI's pages give it, then among all files there,
each recognised by its header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.checkpoints.header import Header, read_header
from service.checkpoints.recognising import FileKind, Role, recognise, recognise_file
from service.errors import BleedcheckError
from service.generation.errors import BaseNotFound, UnusableBase

COMFYUI_PREFIX = "comfyui:"
OPTIONS = ("text_encoder", "text_encoder_2", "vae", "tokenizers")
V_PREDICTION = "v_prediction"
"""Behind an SDXL file that predicts velocity but does not say so: ``FILE.safetensors;v_prediction``."""
DIFFUSION_FOLDERS = ("diffusion_models", "unet", "checkpoints")
TEXT_FOLDERS = ("text_encoders", "clip")
VAE_FOLDERS = ("vae",)
BASES = ("anima", "sdxl", "flux", "qwen-image", "z-image")
"""Models whose files are read, as :data:`service.checkpoints.recognising.MODELS` names them."""
WHOLE_BASES = ("anima", "sdxl", "flux")
"""Those that may be one file with all their parts."""
BASES_IN_WORDS = (
    "the diffusion model of Anima, Flux, Qwen-Image or Z-Image, or a whole Anima, SDXL or Flux model in one file "
    "(.safetensors, bf16 or fp16)"
)
TOKENIZER_FOLDERS = {"tokenizer": ("qwen25_tokenizer", "tokenizer"), "t5_tokenizer": ("t5_tokenizer",)}
"""For each tokenizer the names its folder may have: ComfyUI's and diffusers'."""
_WHAT_IS_IN_THEM = {
    "tokenizer": "qwen25_tokenizer (vocab.json, merges.txt, tokenizer_config.json, or one tokenizer.json)",
    "t5_tokenizer": "t5_tokenizer (tokenizer.json, tokenizer_config.json)",
}
_SUFFIXES = (".safetensors", ".gguf", ".ckpt", ".pt", ".pth")
"""What people keep models in; all but the first are looked at to say why they cannot be used."""
_HUB_BASE = "circlestone-labs/Anima-Base-v1.0-Diffusers"


@dataclass(frozen=True)
class Place:
    """The file that a base names, and where the others are looked for.

    Attributes:
        file: with the diffusion model.
        header: of it.
        kind: what it is.
        root: the ComfyUI folder it lies in, if any.
        named: files that were named behind it.
        flags: words that were.
    """

    file: Path
    header: Header
    kind: FileKind
    root: Path | None
    named: Mapping[str, Path]
    flags: frozenset[str]

    @property
    def near(self) -> list[Path]:
        """Folders to look in."""
        return [folder for folder in (self.root, self.file.parent) if folder is not None]

    def shape(self, *names: str) -> tuple[int, ...]:
        """The shape of the first tensor that ends in one of the names; ``()`` without one."""
        return next((tensor.shape for tensor in self.header.tensors if tensor.name.endswith(names)), ())


@dataclass(frozen=True)
class Part:
    """A file that a base needs beside its diffusion model.

    Attributes:
        option: what it is named with.
        title: for people.
        models: what it may be, as :mod:`service.checkpoints.recognising` says.
        file_name: what ComfyUI's pages call it.
        folders: of a ComfyUI's ``models``.
        width: of a text encoder: the width that the diffusion model reads; 0 for any.
    """

    option: str
    title: str
    models: tuple[str, ...]
    file_name: str
    folders: tuple[str, ...]
    width: int = 0

    def fits(self, kind: FileKind) -> bool:
        """Whether a file is this part, packed or not."""
        return kind.model in self.models and (not self.width or kind.width in (0, self.width))


def is_single_file(base: str) -> bool:
    """Whether a base is written as single files."""
    place = base.partition(";")[0].lower()
    return base.startswith(COMFYUI_PREFIX) or place.endswith(_SUFFIXES)


def find_place(base: str) -> Place:
    """The file that a base names or the ComfyUI folder has, recognised.

    Raises:
        BaseNotFound: it is missing; the message says where it was looked for.
        UnusableBase: there are several candidates, an option is unknown, or the file is no base.
        UnreadableCheckpoint: it is no safetensors file.
    """
    text, named, flags = _split_options(base)
    file, root = _diffusion_file(text)
    header = read_header(file, empty_tensors=True)
    kind = recognise(header)
    if not _is_base(kind):
        what = f"{file.name} is {kind.title}; what belongs here is {BASES_IN_WORDS}"
        if kind.in_diffusers_names:
            what += ". A part of a diffusers folder is not read alone: give the folder"
        elif kind.role is Role.WHOLE and kind.model in BASES:
            what += ". Give its diffusion model, and its text encoder and VAE beside it, as files of their own"
        raise UnusableBase(what)
    refuse_packed(file, kind)
    return Place(file, header, kind, root, named, flags)


def refuse_packed(file: Path, kind: FileKind) -> None:
    """Refuse weights that are no numbers until they are unpacked.

    Raises:
        UnusableBase: they are.
    """
    if kind.quantised:
        raise UnusableBase(
            f"{file.name} is {kind}: LoRA files cannot be folded into it exactly. Use the bf16 or fp16 file of the "
            "same model"
        )


def find_part(place: Place, part: Part) -> Path:
    """The file of a part of a base.

    Raises:
        BaseNotFound: there is none.
        UnusableBase: the one that was named is something else or packed, or there are several.
    """
    named = place.named.get(part.option)
    if named is not None:
        _require(named, recognise_file(named), part)
        return named
    folders = [folder / "models" / sub for folder in place.near for sub in part.folders] + place.near
    usual = next((folder / part.file_name for folder in folders if (folder / part.file_name).is_file()), None)
    if usual is not None:
        _require(usual, recognise_file(usual), part)
        return usual
    broken: list[str] = []
    found = [
        (path, kind) for path, kind in _recognised(folders, broken) if kind.role is not Role.WHOLE and part.fits(kind)
    ]
    usable = [path for path, kind in found if not kind.quantised]
    flag = f"--{part.option.replace('_', '-')}"
    if len(usable) == 1:
        return usable[0]
    if usable:
        names = ", ".join(path.name for path in usable)
        raise UnusableBase(f"there are several files for {part.title} ({names}): say which with {flag}")
    for path, kind in found:
        refuse_packed(path, kind)
    places = " or ".join(str(folder) for folder in dict.fromkeys(folders))
    unusable = f". What lies there cannot be used: {' '.join(broken[:3])}" if broken else ""
    raise BaseNotFound(
        f"{place.file.name} needs {part.title}: there is none in {places}. Put {part.file_name} there, or name it with "
        f"{flag}{unusable}"
    )


def find_tokenizers(place: Place, wanted: Sequence[str]) -> dict[str, Path]:
    """The folder of each tokenizer: named, ComfyUI's own, beside the file, or from the hub's cache.

    Args:
        place: of the base.
        wanted: of :data:`TOKENIZER_FOLDERS`.

    Raises:
        BaseNotFound: one is nowhere.
    """
    named = place.named.get("tokenizers")
    own = [place.root / "comfy" / "text_encoders"] if place.root else []
    folders = [named] if named is not None else [*own, place.file.parent]
    found: dict[str, Path] = {}
    for tokenizer in wanted:
        candidates = [folder / name for folder in folders for name in TOKENIZER_FOLDERS[tokenizer]]
        cached = _cached(tokenizer) if named is None else None
        here = next((each for each in [*candidates, *([cached] if cached else [])] if _is_tokenizer(each)), None)
        if here is None:
            raise BaseNotFound(
                f"{place.file.name} needs a tokenizer, and there is none at {' or '.join(map(str, candidates))}. Name "
                f"a folder with --tokenizers that has {' and '.join(_WHAT_IS_IN_THEM[each] for each in wanted)}, such "
                "as ComfyUI/comfy/text_encoders"
            )
        found[tokenizer] = here
    return found


def lora_folder(base: str) -> Path | None:
    """Where the ComfyUI folder that a base names or lies in keeps its LoRA files; ``None`` if there is none."""
    if not is_single_file(base):
        return None
    path = Path(base.partition(";")[0].removeprefix(COMFYUI_PREFIX)).expanduser().resolve()
    around = [folder for folder in (path, *path.parents) if folder.name == "models"]
    found = (around[0] if around else path / "models") / "loras"
    return found if found.is_dir() else None


def whole_paths(base: str) -> str:
    """The same base with absolute paths, so that it means the same in another working folder."""
    place, *parts = base.split(";")
    prefix = COMFYUI_PREFIX if place.startswith(COMFYUI_PREFIX) else ""
    whole = [f"{prefix}{Path(place.removeprefix(prefix)).expanduser().resolve()}"]
    for part in parts:
        name, equals, value = part.partition("=")
        whole.append(f"{name}={Path(value).expanduser().resolve()}" if equals else part)
    return ";".join(whole)


def _split_options(base: str) -> tuple[str, dict[str, Path], frozenset[str]]:
    place, *parts = base.split(";")
    named: dict[str, Path] = {}
    for part in parts:
        name, _, value = part.partition("=")
        if part == V_PREDICTION:
            continue
        if name not in OPTIONS or not value:
            raise UnusableBase(
                f"{part!r} is no part of a base; there are {', '.join(f'{each}=PATH' for each in OPTIONS)}, and "
                f"{V_PREDICTION} for SDXL"
            )
        named[name] = Path(value).expanduser()
        if not named[name].exists():
            raise BaseNotFound(f"there is no {name.replace('_', ' ')} at {value}")
    return place, named, frozenset(parts) & {V_PREDICTION}


def _is_base(kind: FileKind) -> bool:
    if kind.model not in BASES:
        return False
    if kind.role is Role.WHOLE:
        return kind.model in WHOLE_BASES
    return kind.role is Role.DIFFUSION and kind.model != "sdxl"


def _diffusion_file(place: str) -> tuple[Path, Path | None]:
    """The diffusion model's file, and the ComfyUI folder it belongs to, if any."""
    path = Path(place.removeprefix(COMFYUI_PREFIX)).expanduser()
    if path.is_file():
        return path, next((folder.parent for folder in path.resolve().parents if folder.name == "models"), None)
    if not path.is_dir():
        raise BaseNotFound(f"there is no file or folder {path}")
    root = path.parent if path.name == "models" else path
    folders = [root / "models" / name for name in DIFFUSION_FOLDERS]
    broken: list[str] = []
    known = list(_recognised(folders, broken))
    usable = [(file, kind) for file, kind in known if _is_base(kind) and not kind.quantised]
    # A ComfyUI folder means its Anima; another model is meant only where there is no Anima.
    found = [(file, kind) for file, kind in usable if kind.model == "anima"] or usable
    if not found:
        for file, kind in known:
            if _is_base(kind):
                refuse_packed(file, kind)
        there = "; ".join([*(f"{file.name} is {kind}" for file, kind in known), *broken][:5])
        raise BaseNotFound(
            f"no file that can be used as a base lies in {', '.join(map(str, folders))}; what belongs there is "
            f"{BASES_IN_WORDS}{f'. What lies there: {there}' if there else ''}"
        )
    if len(found) > 1:
        raise UnusableBase(
            f"{root} has several models ({', '.join(f'{file.name}: {kind.title}' for file, kind in found[:10])}): say "
            f"which, as in {COMFYUI_PREFIX}{found[0][0]}"
        )
    return found[0][0], root


def _recognised(folders: Iterable[Path], broken: list[str] | None = None) -> Iterator[tuple[Path, FileKind]]:
    """Every file in some folders that can be read, once, with what it is; why others cannot goes to ``broken``."""
    seen: set[Path] = set()
    for folder in folders:
        deep = folder.parent.name == "models"
        for path in sorted(folder.rglob("*") if deep else folder.glob("*")):
            if path.suffix.lower() in _SUFFIXES and path not in seen and path.is_file():
                seen.add(path)
                try:
                    yield path, recognise_file(path)
                except BleedcheckError as error:  # a download that broke off is none of the candidates
                    if broken is not None:
                        broken.append(str(error))


def _require(file: Path, kind: FileKind, part: Part) -> None:
    if kind.role is Role.WHOLE or kind.model not in part.models:
        raise UnusableBase(f"{file.name} is {kind.title}; what belongs here is {part.title}, such as {part.file_name}")
    if not part.fits(kind):
        raise UnusableBase(
            f"{file.name} is {kind.title} with vectors of {kind.width} numbers, and {part.title} has {part.width}: use "
            f"{part.file_name}"
        )
    refuse_packed(file, kind)


def _is_tokenizer(folder: Path) -> bool:
    whole = (folder / "tokenizer.json").is_file()
    return whole or ((folder / "vocab.json").is_file() and (folder / "merges.txt").is_file())


def _cached(tokenizer: str) -> Path | None:
    """A tokenizer of the diffusers base that was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(_HUB_BASE, f"{tokenizer}/tokenizer.json")
    return Path(file).parent if isinstance(file, str) else None
