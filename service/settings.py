"""What an operator can set: by environment variables ``BLEEDCHECK_…`` or by the command line's options."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.access.origins import LOOPBACK_NAMES, is_loopback

APP_NAME = "bleedcheck"
IMAGES_PREFIX = "images:"
"""In front of a base: a folder of images that exist, instead of a model that makes them."""


def default_data_dir() -> Path:
    """The user's own data folder, by the platform's convention."""
    return user_data_path(APP_NAME)


class Settings(BaseSettings):
    """The embedded default: one process, SQLite and a folder."""

    model_config = SettingsConfigDict(env_prefix="BLEEDCHECK_", frozen=True)

    data_dir: Path = Field(default_factory=default_data_dir, description="Database, images, uploads, reports.")
    database_url: str | None = Field(None, description="SQLAlchemy URL; default: SQLite inside the data folder.")
    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback, keys are asked for.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="Host names that the server answers to, besides loopback's; naming one asks for keys."
    )
    key: SecretStr | None = Field(None, min_length=20, description="A key that may write, besides those made here.")
    max_body_bytes: int = Field(4 << 20, gt=0, description="Largest body of a request that hands in no file.")
    max_upload_bytes: int = Field(4 << 30, gt=0, description="Largest checkpoint file that is taken over HTTP.")
    allowed_folders: tuple[Path, ...] = Field(
        (), description="Folders whose files clients may register by path. None by default."
    )
    base: str = Field(
        "miniature",
        description='"miniature", a diffusers folder, a hub name, a .safetensors file, "comfyui:FOLDER", '
        '"comfyui+http://127.0.0.1:8188", or "images:FOLDER" for pictures that exist.',
    )
    text_encoder: Path | None = Field(None, description="The text encoder's file, for a base kept as single files.")
    text_encoder_2: Path | None = Field(None, description="Flux's second text encoder's file, likewise.")
    vae: Path | None = Field(None, description="The VAE's file, for a base kept as single files.")
    workflow: Path | None = Field(None, description="A workflow in API format, for a ComfyUI as the base.")
    tokenizers: Path | None = Field(None, description="Folder of the tokenizers, for a base kept as single files.")
    extra_loras: tuple[str, ...] = Field((), description='Fixed LoRAs under the swept one: "turbo.safetensors:1.0".')
    image_format: Literal["png", "webp"] = Field("png", description="How images are stored; both are lossless.")
    device: str = Field("auto", description='"auto", "cpu", "cuda", "cuda:1", "mps".')
    card: Literal["auto", "large", "24gb", "12gb", "8gb", "6gb"] = Field(
        "auto", description="How models are placed on a GPU; by its memory by default."
    )
    dtype: str = Field("auto", description='"auto", "float32", "bfloat16", "float16".')
    detector_profile: str = Field("miniature", description="Which set of detector weights judges the images.")
    detector_weights: Path | None = Field(None, description="A folder of detector weights to use instead.")
    detector_clip: str | None = Field(
        None, description='An open_clip model in place of the profile\'s own: "ViT-B-32:FILE.safetensors".'
    )
    work: bool = Field(True, description="Whether the server itself works on evaluations, in a thread.")

    @property
    def whole_base(self) -> str:
        """The base with the files that are named beside it."""
        named = {
            "text_encoder": self.text_encoder,
            "text_encoder_2": self.text_encoder_2,
            "vae": self.vae,
            "tokenizers": self.tokenizers,
            "workflow": self.workflow,
        }
        return ";".join([self.base, *(f"{name}={path}" for name, path in named.items() if path is not None)])

    @cached_property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'bleedcheck.db'}"

    @property
    def keys_required(self) -> bool:
        """Whether clients need a key: as soon as anybody but this machine may reach the server."""
        return not all(is_loopback(name) for name in (self.host, *self.allowed_hosts))

    @property
    def answered_hosts(self) -> frozenset[str]:
        """Names in a request's ``Host`` that are answered; "*" where any is: a key is asked for then."""
        if not is_loopback(self.host) and not self.allowed_hosts:
            return frozenset({"*"})
        return LOOPBACK_NAMES | {name.lower() for name in self.allowed_hosts}

    @property
    def images_dir(self) -> Path:
        """Folder of generated images."""
        return self.data_dir / "images"

    @property
    def uploads_dir(self) -> Path:
        """Folder of uploaded checkpoints."""
        return self.data_dir / "checkpoints"

    @property
    def reports_dir(self) -> Path:
        """Folder of written reports."""
        return self.data_dir / "reports"
