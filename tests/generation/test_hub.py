"""Bases by their name on the hub: from the local cache without a network, or the command that gets them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.miniature.architecture import save_pipeline
from service.generation import ImageRequest, open_generator
from service.generation.anima import AnimaGenerator
from service.generation.bases import Base, find_base
from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.folders import FolderBase
from service.generation.sdxl_files import SDXLBase
from service.storage.fitting import check_fits

from .conftest import SMALL, WriteLora
from .flow_world import build, save

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REQUESTS = [ImageRequest("1girl, kei", 1)]
HUB_NAME = "somebody/some-model"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no hub at its address."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hub"


def snapshot(cache: Path, name: str = HUB_NAME) -> Path:
    """The folder of a model's newest commit, as the hub's client lays it out."""
    root = cache / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    folder = root / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder


@contextmanager
def hub(monkeypatch: pytest.MonkeyPatch, files: list[str], gated: Any = False) -> Iterator[list[str]]:
    """A hub on this machine that knows one model's files."""
    asked: list[str] = []

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = {"id": HUB_NAME, "sha": COMMIT, "gated": gated, "siblings": [{"rfilename": name} for name in files]}
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def test_anima_from_the_cache_needs_no_network(cache: Path, components: dict[str, Any], write_lora: WriteLora) -> None:
    folder = snapshot(cache)
    save_pipeline(components, folder)
    generator = AnimaGenerator.from_components(components, SMALL, identity="nano", device="cpu")
    # A download keeps the index that names the repository itself.
    index = json.loads((folder / "modular_model_index.json").read_text(encoding="utf-8"))
    for value in index.values():
        if isinstance(value, list):
            value[2]["pretrained_model_name_or_path"] = HUB_NAME
    (folder / "modular_model_index.json").write_text(json.dumps(index), encoding="utf-8")
    opened = open_generator(HUB_NAME, SMALL, device="cpu")
    assert np.array_equal(opened.generate(REQUESTS)[0].pixels, generator.generate(REQUESTS)[0].pixels)
    assert opened.fingerprint()["base"] == f"{HUB_NAME}@{COMMIT}"
    assert check_fits(write_lora(), HUB_NAME)


@pytest.mark.parametrize("name", ["flux", "qwen-image", "z-image"])
def test_other_families_from_the_cache_are_what_their_folder_is(cache: Path, name: str) -> None:
    folder = save(snapshot(cache), name, build(name))
    found = find_base(HUB_NAME)
    assert isinstance(found, FolderBase)
    assert (found.path, found.family.name) == (folder, name)
    settings = replace(SMALL, sampler="euler", width=64)
    (ours,) = open_generator(HUB_NAME, settings, device="cpu").generate(REQUESTS)
    (theirs,) = open_generator(str(folder), settings, device="cpu").generate(REQUESTS)
    assert np.array_equal(ours.pixels, theirs.pixels)


def test_sdxl_from_the_cache(cache: Path) -> None:
    folder = snapshot(cache)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}', encoding="utf-8")
    assert find_base(HUB_NAME) == SDXLBase(folder, is_file=False)
    (folder / "model_index.json").write_text('{"_class_name": "WanPipeline"}', encoding="utf-8")
    with pytest.raises(UnusableBase, match="is a WanPipeline"):
        find_base(HUB_NAME)


def test_a_download_that_broke_off_says_what_is_missing_and_how_to_go_on(cache: Path) -> None:
    folder = save(snapshot(cache), "z-image", build("z-image"))
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    with pytest.raises(BaseNotFound, match=rf"only in part \(transformer/\*\.safetensors .*hf download {HUB_NAME}`"):
        find_base(HUB_NAME)
    pieces = {name: f"diffusion_pytorch_model-{name}-of-00002.safetensors" for name in ("00001", "00002")}
    table = {"weight_map": dict(zip("ab", pieces.values(), strict=True))}
    weights.with_suffix(".safetensors.index.json").write_text(json.dumps(table), encoding="utf-8")
    (weights.parent / pieces["00001"]).write_bytes(content)
    with pytest.raises(BaseNotFound, match=r"\(transformer/diffusion_pytorch_model-00002-of-00002\.safetensors miss"):
        find_base(HUB_NAME)
    (weights.parent / pieces["00002"]).write_bytes(content)
    assert isinstance(find_base(HUB_NAME), FolderBase)
    for path in (folder / "vae").iterdir():
        path.unlink()
    with pytest.raises(BaseNotFound, match="vae/"):
        find_base(HUB_NAME)


def test_what_is_not_there_names_the_command(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BaseNotFound, match=rf"`hf download {HUB_NAME}`.*--local-dir some-model"):
        find_base(HUB_NAME)
    with hub(monkeypatch, ["model_index.json", "transformer/config.json"], "manual") as asked:
        with pytest.raises(BaseNotFound, match=rf"Run `hf download {HUB_NAME}` .*hf auth login.*repeat this command$"):
            find_base(HUB_NAME)
        assert len(asked) == 1
    with hub(monkeypatch, ["flux1-dev-Q4_K_S.gguf"]), pytest.raises(BaseNotFound, match="lists no model_index"):
        find_base(HUB_NAME)
    with hub(monkeypatch, ["modular_model_index.json"]):
        assert find_base(HUB_NAME) == Base(HUB_NAME, COMMIT)


def test_a_tokenizer_of_it_alone_is_not_taken_for_the_model(cache: Path) -> None:
    (snapshot(cache) / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BaseNotFound, match="hf download"):
        find_base(HUB_NAME)
