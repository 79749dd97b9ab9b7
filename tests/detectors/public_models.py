"""Small ONNX models with the inputs, outputs and shapes of the public ones, and figures that they can see.

The figures carry marks: a green square in the middle of a body, a red one in a face, a blue one on a hand. Detectors
here are convolutions that answer to one of these colours; the tagger and CCIP see the colours of the drawing itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE, CELL = 640, 32
PERSON, HEAD, HAND = (220, 520), (128, 128), (48, 48)
GREEN, RED, BLUE = (0, 255, 0), (255, 0, 0), (0, 0, 255)
YELLOW, BLACK, SKIN, WHITE = (250, 210, 60), (30, 25, 35), (250, 225, 205), (255, 255, 255)
BLAZER, SAILOR = (170, 90, 90), (70, 100, 140)
TAGS = (
    "general",
    "1girl",
    "ahoge",
    "blonde_hair",
    "black_hair",
    "long_hair",
    "short_hair",
    "blue_eyes",
    "red_eyes",
    "blazer",
    "serafuku",
)

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Figure:
    """One figure: the cell of its body's middle, and how it looks."""

    at: tuple[int, int]
    hair: tuple[int, int, int] = YELLOW
    outfit: tuple[int, int, int] = BLAZER
    ahoge: bool = False
    long: bool = False
    hands: int = 2


KEI = Figure((160 + 16, 320 + 16), BLACK, SAILOR)
KANA = Figure((448 + 16, 320 + 16), YELLOW, BLAZER, ahoge=True, long=True)


def picture(figures: Sequence[Figure], zoom: int = 1) -> Image:
    """The figures on white, 640 times ``zoom`` pixels square."""
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for figure in figures:
        _draw(image, figure)
    return np.ascontiguousarray(image.repeat(zoom, 0).repeat(zoom, 1))


def _draw(image: Image, figure: Figure) -> None:
    x, y = figure.at
    head = (x, y - 192)
    if figure.long:
        cv2.rectangle(image, (x - 62, y - 190), (x + 62, y + 40), figure.hair, -1)
    cv2.rectangle(image, (x - 50, y - 128), (x + 50, y + 200), figure.outfit, -1)
    cv2.ellipse(image, head, (62, 62), 0, 0, 360, figure.hair, -1)
    cv2.ellipse(image, (x, y - 178), (42, 44), 0, 0, 360, SKIN, -1)
    if figure.ahoge:
        points = np.array([(x - 2, y - 250), (x + 4, y - 275), (x + 18, y - 296), (x + 34, y - 300)], np.int32)
        cv2.polylines(image, [points], False, figure.hair, 12)
    for mark, (cx, cy), colour in (("body", (x, y), GREEN), ("head", head, RED)):
        assert mark
        cv2.rectangle(image, (cx - 16, cy - 16), (cx + 15, cy + 15), colour, -1)
    for side in (-96, 96)[: figure.hands]:
        cv2.rectangle(image, (x + side - 16, y + 48), (x + side + 15, y + 79), BLUE, -1)


def _save(path: Path, nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto],
          outputs: list[onnx.ValueInfoProto], weights: dict[str, NDArray[np.float32]],
          notes: dict[str, str] | None = None) -> None:  # fmt: skip
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, notes or {})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _floats(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def write_detector(
    path: Path,
    colour: tuple[int, int, int],
    size: tuple[int, int],
    label: str,
    prototypes: bool = False,
    names: str | None = None,
) -> None:
    """A YOLO detector: ``images`` (1, 3, 640, 640) in 0..1 to ``output0`` (1, 4 + 1, 400), with masks (1, 37, 400).

    It answers to squares of a colour that fill a cell, with a box of a fixed size around each.
    """
    wanted = np.array(colour, np.float32) / 255
    # Highest for the pure colour: one point for each channel that is as it should be, none left for any other colour.
    kernel = np.where(wanted > 0.5, 1.0, -1.0).astype(np.float32)[None, :, None, None]
    kernel = np.repeat(np.repeat(kernel, CELL, 2), CELL, 3) / CELL**2
    cells = SIDE // CELL
    y, x = np.mgrid[0:cells, 0:cells].astype(np.float32)
    boxes = np.stack([
        x.ravel() * CELL + CELL / 2,
        y.ravel() * CELL + CELL / 2,
        np.full(cells**2, size[0], np.float32),
        np.full(cells**2, size[1], np.float32),
    ])[None]  # fmt: skip
    weights = {"kernel": kernel, "boxes": boxes, "flat": np.array([1, 1, cells**2], np.int64)}
    weights |= {"low": np.float32(0), "high": np.float32(0.97)}
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["felt"], strides=[CELL, CELL]),
        helper.make_node("Clip", ["felt", "low", "high"], ["sure"]),
        helper.make_node("Reshape", ["sure", "flat"], ["scores"]),
    ]
    parts, outputs = ["boxes", "scores"], [_floats("output0", (1, 37 if prototypes else 5, cells**2))]
    if prototypes:
        # A mask is everything that is not white: one prototype in use, thirty-one at rest.
        ink = np.zeros((32, 3, 4, 4), np.float32)
        ink[0] = -1 / 16
        weights |= {"ink": ink, "paper": np.r_[2.5, np.zeros(31)].astype(np.float32)}
        weights["own"] = np.concatenate([np.ones((1, 1, cells**2)), np.zeros((1, 31, cells**2))], 1).astype(np.float32)
        nodes.append(helper.make_node("Conv", ["images", "ink", "paper"], ["output1"], strides=[4, 4]))
        outputs.append(_floats("output1", (1, 32, SIDE // 4, SIDE // 4)))
        parts.append("own")
    nodes.append(helper.make_node("Concat", parts, ["output0"], axis=1))
    notes = {"names": names if names is not None else str({0: label}), "task": "detect"}
    _save(path, nodes, [_floats("images", (1, 3, SIDE, SIDE))], outputs, weights, notes)


def write_tagger(path: Path, tags: Path, names: Sequence[str] = TAGS) -> None:
    """A WD tagger: (N, 448, 448, 3), BGR in 0..255, to (N, tags).

    Each tag is the share of pixels of one colour, in all of the crop, its upper part or its lower part.
    """
    yellow, black, blazer, sailor = YELLOW, BLACK, BLAZER, SAILOR
    parts = {
        "blonde_hair": (yellow, 0, 448),
        "black_hair": (black, 0, 448),
        "ahoge": (None, 0, 110),
        "long_hair": (None, 270, 330),
        "blazer": (blazer, 0, 448),
        "serafuku": (sailor, 0, 448),
    }
    nodes = [helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2])]
    weights: dict[str, NDArray[np.float32]] = {}
    joined = []
    for number, name in enumerate(names):
        colours, first, last = parts.get(name, (WHITE, 0, 1))
        found = []
        for c, colour in enumerate([colours] if colours else [yellow, black]):
            key = f"{number}_{c}"
            bgr = np.array(colour[::-1], np.float32).reshape(1, 3, 1, 1)
            weights |= {f"colour{key}": bgr, f"near{key}": np.float32(40)}
            nodes += [
                helper.make_node("Sub", ["planes", f"colour{key}"], [f"off{key}"]),
                helper.make_node("Abs", [f"off{key}"], [f"far{key}"]),
                helper.make_node("ReduceMax", [f"far{key}"], [f"most{key}"], axes=[1], keepdims=1),
                helper.make_node("Less", [f"most{key}", f"near{key}"], [f"is{key}"]),
                helper.make_node("Cast", [f"is{key}"], [f"one{key}"], to=TensorProto.FLOAT),
            ]
            found.append(f"one{key}")
        total = found[0]
        if len(found) > 1:
            nodes.append(helper.make_node("Add", found, [f"sum{number}"]))
            total = f"sum{number}"
        weights |= {f"first{number}": np.array([first], np.int64), f"last{number}": np.array([last], np.int64)}
        weights |= {"rows": np.array([2], np.int64)}
        scale = 60.0 if name == "ahoge" else 12.0
        weights |= {f"scale{number}": np.float32(scale if name in parts else 0.0), "zero": np.float32(0)}
        weights["top"] = np.float32(0.98)
        nodes += [
            helper.make_node("Slice", [total, f"first{number}", f"last{number}", "rows"], [f"part{number}"]),
            helper.make_node("ReduceMean", [f"part{number}"], [f"share{number}"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Mul", [f"share{number}", f"scale{number}"], [f"sure{number}"]),
            helper.make_node("Clip", [f"sure{number}", "zero", "top"], [f"tag{number}"]),
            helper.make_node("Unsqueeze", [f"tag{number}", "one"], [f"column{number}"]),
        ]
        weights["one"] = np.array([1], np.int64)
        joined.append(f"column{number}")
    nodes.append(helper.make_node("Concat", joined, ["output"], axis=1))
    shape = ("batch", 448, 448, 3)
    _save(path, nodes, [_floats("input", shape)], [_floats("output", ("batch", len(names)))], weights)
    rows = [f"{number},{name},{9 if name == 'general' else 0},1000" for number, name in enumerate(names)]
    tags.write_text("\n".join(["tag_id,name,category,count", *rows]) + "\n")


def write_ccip(feature: Path, metric: Path) -> None:
    """CCIP's two models: ``input`` (B, 3, 384, 384) to ``output`` (B, 768), and (N, 768) to differences (N, N)."""
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(3 * 6 * 6, 768)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["input"], ["pooled"], kernel_shape=[64, 64], strides=[64, 64]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "mixed"], ["output"]),
    ]
    inputs, outputs = [_floats("input", ("batch", 3, 384, 384))], [_floats("output", ("batch", 768))]
    _save(feature, nodes, inputs, outputs, {"mixed": mixed})
    nodes = [
        helper.make_node("ReduceL2", ["input"], ["length"], axes=[1], keepdims=1),
        helper.make_node("Div", ["input", "length"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["unit", "turned"], ["cosine"]),
        helper.make_node("Sub", ["one", "cosine"], ["apart"]),
        helper.make_node("Mul", ["apart", "half"], ["output"]),
    ]
    weights = {"one": np.float32(1), "half": np.float32(0.5)}
    _save(metric, nodes, [_floats("input", ("batch", 768))], [_floats("output", ("batch", "batch2"))], weights)


def write_all(folder: Path) -> Path:
    """Every file of the profile ``anime`` under its own name."""
    folder.mkdir(parents=True, exist_ok=True)
    write_detector(folder / "person_detect_v1.1_m.onnx", GREEN, PERSON, "person")
    write_detector(folder / "head_detect_v2.0_s.onnx", RED, HEAD, "head")
    write_detector(folder / "hand_detect_v1.0_s.onnx", BLUE, HAND, "hand")
    write_tagger(folder / "wd-swinv2-tagger-v3.onnx", folder / "wd-swinv2-tagger-v3_selected_tags.csv")
    write_ccip(
        folder / "ccip-caformer-24-randaug-pruned_feat.onnx", folder / "ccip-caformer-24-randaug-pruned_metrics.onnx"
    )
    return folder
