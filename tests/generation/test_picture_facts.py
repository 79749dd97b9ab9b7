"""What pictures say about themselves, as A1111 and ComfyUI write it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.errors import UnreadableImage
from service.generation.picture_facts import PictureFacts, from_graph, from_parameters, read_facts

GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 13,
            "model": ["10", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "UNETLoader", "inputs": {"unet_name": "anima.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "1girl, keichan", "clip": ["8", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad hands", "clip": ["8", 0]}},
    "10": {
        "class_type": "LoraLoaderModelOnly",
        "inputs": {"lora_name": "kk_epoch148.safetensors", "strength_model": 1.0, "model": ["4", 0]},
    },
}


def picture(path: Path, **words: str) -> Path:
    info = PngInfo()
    for key, text in words.items():
        info.add_text(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def test_comfyuis_graph_is_followed(tmp_path: Path) -> None:
    facts = read_facts(picture(tmp_path / "a.png", prompt=json.dumps(GRAPH)))
    assert facts == PictureFacts("1girl, keichan", 13, "kk_epoch148.safetensors")


def test_a1111s_lines_are_read(tmp_path: Path) -> None:
    text = "1girl, keichan,  <lora:kk-000148:0.8>\nstanding\nNegative prompt: Seed: 5\nSteps: 8, Seed: 99, Size: 8x8"
    facts = read_facts(picture(tmp_path / "a.png", parameters=text))
    assert facts == PictureFacts("1girl, keichan, standing", 99, "kk-000148")


def test_a1111s_jpegs_keep_it_in_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "1girl\nSteps: 8, Seed: 7".encode("utf-16-be")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    assert read_facts(tmp_path / "a.jpg") == PictureFacts("1girl", 7, None)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"1": 2}', '{"1": {"inputs": {"positive": 1, "model": 2}}}'])
def test_graphs_that_are_none_tell_nothing(text: str) -> None:
    assert from_graph(text) == PictureFacts()


def test_a_graph_in_a_circle_ends() -> None:
    loop = {"1": {"inputs": {"positive": ["1", 0], "model": ["1", 0], "seed": 4}}}
    assert from_graph(json.dumps(loop)) == PictureFacts(None, 4, None)


def test_plain_pictures_tell_nothing_and_others_are_refused(tmp_path: Path) -> None:
    assert read_facts(picture(tmp_path / "a.png")) == PictureFacts()
    assert from_parameters("") == PictureFacts()
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(UnreadableImage):
        read_facts(tmp_path / "b.png")
