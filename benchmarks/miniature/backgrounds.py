"""Backgrounds from plain to busy, drawn straight onto the picture."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.palette import DARK, LINE, RGB, shade
from benchmarks.miniature.patterns import paint_patterns, paint_rows

Picture = NDArray[np.uint8]


def _jitter(rng: np.random.Generator, color: RGB, amount: int = 8) -> RGB:
    return tuple(int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in color)  # type: ignore[return-value]


def _vertical(image: Picture, top: RGB, bottom: RGB, start: int, stop: int) -> None:
    t = np.linspace(0, 1, max(1, stop - start))[:, None]
    image[start:stop] = (np.array(top) * (1 - t) + np.array(bottom) * t)[:, None].astype(np.uint8)


def _box(image: Picture, x0: float, y0: float, x1: float, y1: float, color: RGB, line: int = 0) -> None:
    corners = (int(x0), int(y0)), (int(x1), int(y1))
    cv2.rectangle(image, *corners, color, -1)
    if line:
        cv2.rectangle(image, *corners, LINE, line, cv2.LINE_AA)


def _simple(image: Picture, rng: np.random.Generator) -> None:
    image[:] = shade(_jitter(rng, (224, 224, 224), 28), 1.3)


def _gradient(image: Picture, rng: np.random.Generator) -> None:
    _vertical(image, _jitter(rng, (196, 206, 240), 40), _jitter(rng, (244, 226, 230), 20), 0, len(image))


def _park(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    ground = int(n * rng.uniform(0.58, 0.66))
    _vertical(image, _jitter(rng, (150, 206, 250)), _jitter(rng, (206, 234, 252)), 0, ground)
    _vertical(image, _jitter(rng, (140, 204, 110)), _jitter(rng, (112, 184, 92)), ground, n)
    for x in rng.uniform(0.05, 0.95, int(rng.integers(1, 4))):
        r = n * rng.uniform(0.09, 0.13)
        _box(image, x * n - r / 5, ground - r * 1.2, x * n + r / 5, ground + r * 0.3, (136, 96, 64), 2)
        center = (int(x * n), int(ground - r * 1.9))
        cv2.circle(image, center, int(r), _jitter(rng, (72, 148, 76)), -1, cv2.LINE_AA)
        cv2.circle(image, center, int(r), LINE, 2, cv2.LINE_AA)


def _beach(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    sea, sand = int(n * rng.uniform(0.38, 0.46)), int(n * rng.uniform(0.56, 0.64))
    _vertical(image, _jitter(rng, (140, 214, 250)), _jitter(rng, (200, 238, 252)), 0, sea)
    _vertical(image, _jitter(rng, (54, 140, 210)), _jitter(rng, (90, 176, 226)), sea, sand)
    _vertical(image, _jitter(rng, (250, 226, 164)), _jitter(rng, (240, 208, 146)), sand, n)
    center = (int(n * rng.uniform(0.1, 0.9)), int(n * rng.uniform(0.08, 0.18)))
    cv2.circle(image, center, int(n * 0.065), (255, 232, 120), -1, cv2.LINE_AA)


def _classroom(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    floor = int(n * rng.uniform(0.66, 0.72))
    image[:floor] = _jitter(rng, (250, 236, 212))
    image[floor:] = _jitter(rng, (204, 150, 104))
    x = n * rng.uniform(0.08, 0.3)
    _box(image, x, n * 0.1, x + n * 0.6, n * 0.42, _jitter(rng, (60, 118, 92)), 4)
    for y in (0.18, 0.26, 0.34):
        x0 = x + n * rng.uniform(0.05, 0.2)
        cv2.line(image, (int(x0), int(n * y)), (int(x0 + n * rng.uniform(0.1, 0.3)), int(n * y)), (220, 236, 226), 3)
    for x in (rng.uniform(0, 0.2), rng.uniform(0.75, 0.9)):
        _box(image, n * x, floor - n * 0.02, n * (x + 0.17), floor + n * 0.03, (226, 178, 120), 3)
        for leg in (0.02, 0.14):
            _box(image, n * (x + leg), floor + n * 0.03, n * (x + leg + 0.012), floor + n * 0.14, (120, 120, 130))


def _rooftop(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    floor = int(n * rng.uniform(0.64, 0.7))
    _vertical(image, _jitter(rng, (252, 190, 130)), _jitter(rng, (254, 226, 180)), 0, floor)
    image[floor:] = _jitter(rng, (176, 176, 182))
    step, color = int(n * 0.06), _jitter(rng, (128, 140, 140))
    top = floor - int(n * rng.uniform(0.26, 0.34))
    for x in range(-n, 2 * n, step):
        cv2.line(image, (x, top), (x + floor - top, floor), color, 2, cv2.LINE_AA)
        cv2.line(image, (x, top), (x - floor + top, floor), color, 2, cv2.LINE_AA)
    image[:top] = image[0]
    cv2.line(image, (0, top), (n, top), (96, 106, 108), 5)
    for x in range(int(rng.integers(0, step)), n, step * 4):
        cv2.line(image, (x, top - 6), (x, floor), (96, 106, 108), 5)


def _night_city(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    floor = int(n * rng.uniform(0.68, 0.74))
    _vertical(image, _jitter(rng, (24, 26, 66)), _jitter(rng, (66, 54, 110)), 0, floor)
    image[floor:] = _jitter(rng, (72, 70, 84))
    x = 0.0
    while x < n:
        width, top = n * rng.uniform(0.1, 0.18), n * rng.uniform(0.18, 0.45)
        _box(image, x, top, x + width, floor, _jitter(rng, (46, 52, 92)), 2)
        for wy in np.arange(top + n * 0.03, floor - n * 0.03, n * 0.055):
            for wx in np.arange(x + n * 0.02, x + width - n * 0.03, n * 0.04):
                if rng.random() < 0.5:
                    _box(image, wx, wy, wx + n * 0.016, wy + n * 0.024, (250, 222, 120))
        x += width


def _festival(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    floor = int(n * rng.uniform(0.68, 0.74))
    _vertical(image, _jitter(rng, (60, 40, 88)), _jitter(rng, (150, 84, 96)), 0, floor)
    image[floor:] = _jitter(rng, (126, 100, 84))
    for x in (rng.uniform(-0.1, 0.1), rng.uniform(0.6, 0.75)):
        color = _jitter(rng, (206, 60, 60) if rng.random() < 0.5 else (70, 110, 190))
        _box(image, n * x, n * 0.34, n * (x + 0.36), floor, (170, 120, 80), 3)
        for k in range(6):
            left = n * (x + 0.06 * k)
            _box(image, left, n * 0.3, left + n * 0.06, n * 0.4, color if k % 2 else (246, 240, 230), 2)
    height = n * rng.uniform(0.1, 0.16)
    cv2.line(image, (0, int(height)), (n, int(height)), (90, 66, 60), 3)
    for x in np.arange(n * rng.uniform(0.02, 0.1), n, n * 0.15):
        center = (int(x), int(height + n * 0.05))
        cv2.ellipse(image, center, (int(n * 0.032), int(n * 0.042)), 0, 0, 360, (246, 120, 66), -1, cv2.LINE_AA)
        cv2.ellipse(image, center, (int(n * 0.032), int(n * 0.042)), 0, 0, 360, LINE, 2, cv2.LINE_AA)


def _library(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    floor = int(n * rng.uniform(0.7, 0.76))
    image[:floor] = _jitter(rng, (120, 84, 60))
    image[floor:] = _jitter(rng, (150, 116, 90))
    for row in range(4):
        top = n * (0.05 + 0.16 * row)
        x = n * rng.uniform(0, 0.02)
        while x < n:
            width, height = n * rng.uniform(0.015, 0.035), n * rng.uniform(0.09, 0.13)
            color = tuple(int(v) for v in rng.integers(60, 220, 3))
            _box(image, x, top + n * 0.13 - height, x + width, top + n * 0.13, color, 1)  # type: ignore[arg-type]
            x += width
        _box(image, 0, top + n * 0.13, n, top + n * 0.15, (86, 58, 42))


def _aquarium(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    _vertical(image, _jitter(rng, (70, 160, 200)), _jitter(rng, (16, 60, 110)), 0, n)
    for _ in range(int(rng.integers(5, 10))):
        center = (int(rng.uniform(0, n)), int(rng.uniform(0, n * 0.8)))
        size, color = n * rng.uniform(0.02, 0.05), _jitter(rng, (240, 170, 70), 50)
        cv2.ellipse(image, center, (int(size), int(size * 0.55)), 0, 0, 360, color, -1, cv2.LINE_AA)
        tail = [(center[0] - int(size), center[1]), (center[0] - int(size * 1.8), center[1] - int(size * 0.6)),
                (center[0] - int(size * 1.8), center[1] + int(size * 0.6))]  # fmt: skip
        cv2.fillPoly(image, [np.array(tail, np.int32)], color, cv2.LINE_AA)
    for x in rng.uniform(0, n, 8):
        cv2.circle(image, (int(x), int(rng.uniform(0, n))), int(n * 0.012), (200, 230, 240), 2, cv2.LINE_AA)


def _snow(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    ground = int(n * rng.uniform(0.6, 0.7))
    _vertical(image, _jitter(rng, (150, 164, 190)), _jitter(rng, (214, 222, 236)), 0, ground)
    image[ground:] = _jitter(rng, (240, 244, 250), 5)
    for x in rng.uniform(0, n, 3):
        for level in range(3):
            half, top = n * (0.05 + 0.025 * level), ground - n * (0.3 - 0.09 * level)
            points = np.array([(x, top), (x - half, top + n * 0.12), (x + half, top + n * 0.12)], np.int32)
            cv2.fillPoly(image, [points], _jitter(rng, (60, 104, 92)), cv2.LINE_AA)
    for x, y in rng.uniform(0, n, (60, 2)):
        cv2.circle(image, (int(x), int(y)), max(1, int(n * 0.006)), (252, 252, 255), -1, cv2.LINE_AA)


def _bamboo(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    ground = int(n * rng.uniform(0.72, 0.8))
    _vertical(image, _jitter(rng, (206, 226, 168)), _jitter(rng, (150, 190, 120)), 0, ground)
    image[ground:] = _jitter(rng, (120, 104, 70))
    for depth, count in ((0, 14), (1, 9)):
        for x in rng.uniform(0, n, count):
            width, color = (
                n * rng.uniform(0.012, 0.02) * (1 + depth),
                _jitter(rng, ((150, 182, 104), (86, 140, 70))[depth]),
            )
            lean, joint = rng.normal(0, 0.02 * n), n * rng.uniform(0.08, 0.14)
            foot, top = (x + lean, ground + depth * n * 0.05), (x, -5.0)
            cv2.line(image, _point(*foot), _point(*top), LINE, int(width) + 3, cv2.LINE_AA)
            cv2.line(image, _point(*foot), _point(*top), color, max(1, int(width)), cv2.LINE_AA)
            for y in np.arange(rng.uniform(0, joint), ground, joint):
                middle = x + lean * y / ground
                cv2.line(image, _point(middle - width / 2, y), _point(middle + width / 2, y), LINE, 2, cv2.LINE_AA)
                if rng.random() < 0.35:
                    side, leaf = rng.choice((-1, 1)), n * rng.uniform(0.04, 0.08)
                    tip = (middle + side * leaf, y - leaf * rng.uniform(-0.3, 0.6))
                    points = np.array([(middle, y - 2), tip, (middle, y + 3)], np.int32)
                    cv2.fillPoly(image, [points], _jitter(rng, (70, 130, 60)), cv2.LINE_AA)


def _stage(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    floor = int(n * rng.uniform(0.7, 0.78))
    curtain = _jitter(rng, (150, 26, 40) if rng.random() < 0.6 else (40, 40, 110), 14)
    x = 0.0
    while x < n:
        width = n * rng.uniform(0.02, 0.05)
        _box(image, x, 0, x + width, floor, shade(curtain, rng.uniform(0.65, 1.25)))
        cv2.line(image, _point(x, 0), _point(x, floor), shade(curtain, 0.45), 2, cv2.LINE_AA)
        x += width
    for x in np.arange(0, n, n * 0.125):
        cv2.ellipse(
            image, _point(x + n * 0.06, 0), _point(n * 0.066, n * 0.08), 0, 0, 180, (222, 176, 70), -1, cv2.LINE_AA
        )
        cv2.ellipse(image, _point(x + n * 0.06, 0), _point(n * 0.066, n * 0.08), 0, 0, 180, LINE, 2, cv2.LINE_AA)
    image[floor:] = _jitter(rng, (176, 124, 78))
    for y in range(floor, n, max(4, int(n * 0.035))):
        cv2.line(image, (0, y), (n, y), (132, 90, 56), 1, cv2.LINE_AA)
    beam, x = image.copy(), n * rng.uniform(0.2, 0.8)
    points = np.array([(x, 0), (x - n * 0.22, n), (x + n * 0.22, n)], np.int32)
    cv2.fillPoly(beam, [points], (255, 248, 210), cv2.LINE_AA)
    image[:] = cv2.addWeighted(image, 0.78, beam, 0.22, 0)


def _harbour(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    sea, quay = int(n * rng.uniform(0.5, 0.58)), int(n * rng.uniform(0.74, 0.8))
    _vertical(image, _jitter(rng, (250, 214, 190)), _jitter(rng, (190, 220, 240)), 0, sea)
    _vertical(image, _jitter(rng, (80, 140, 168)), _jitter(rng, (50, 104, 140)), sea, quay)
    image[quay:] = _jitter(rng, (150, 142, 134))
    for x in rng.uniform(0.05, 0.95, int(rng.integers(3, 6))) * n:
        top, hull = n * rng.uniform(0.02, 0.22), n * rng.uniform(0.08, 0.14)
        color = _jitter(rng, ((236, 236, 230), (180, 60, 50), (40, 70, 110))[int(rng.integers(3))])
        cv2.line(image, _point(x, sea), _point(x, top), (92, 66, 46), max(2, int(n * 0.012)), cv2.LINE_AA)
        for side in (-1, 1):
            cv2.line(image, _point(x, top), _point(x + side * hull, sea), (70, 60, 60), 1, cv2.LINE_AA)
        if rng.random() < 0.6:
            points = np.array([(x + 3, top + 8), (x + hull * 0.9, sea - 8), (x + 3, sea - 8)], np.int32)
            cv2.fillPoly(image, [points], _jitter(rng, (244, 240, 226)), cv2.LINE_AA)
            cv2.polylines(image, [points], True, LINE, 2, cv2.LINE_AA)
        points = np.array([(x - hull, sea - 2), (x + hull, sea - 2), (x + hull * 0.7, sea + n * 0.05),
                           (x - hull * 0.7, sea + n * 0.05)], np.int32)  # fmt: skip
        cv2.fillPoly(image, [points], color, cv2.LINE_AA)
        cv2.polylines(image, [points], True, LINE, 2, cv2.LINE_AA)
    for x in rng.uniform(0, n, 5):
        y = rng.uniform(n * 0.05, n * 0.4)
        for side in (-1, 1):
            wing = _point(n * 0.012, n * 0.008)
            cv2.ellipse(image, _point(x + side * n * 0.012, y), wing, 0, 180, 360, (90, 90, 100), 2, cv2.LINE_AA)


def _kitchen(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    counter, floor = int(n * rng.uniform(0.5, 0.6)), int(n * rng.uniform(0.78, 0.84))
    image[:counter] = _jitter(rng, (226, 236, 232))
    step = int(n * rng.uniform(0.05, 0.08))
    for x in range(int(rng.integers(0, step)), n, step):
        cv2.line(image, (x, 0), (x, counter), (190, 204, 202), 2, cv2.LINE_AA)
    for y in range(int(rng.integers(0, step)), counter, step):
        cv2.line(image, (0, y), (n, y), (190, 204, 202), 2, cv2.LINE_AA)
    cupboard = _jitter(rng, (196, 120, 84) if rng.random() < 0.5 else (96, 140, 150))
    width = float(n * rng.uniform(0.16, 0.24))
    for left in np.arange(-width * rng.uniform(0, 1), n, width):
        for top, bottom in ((n * 0.02, n * 0.2), (counter + n * 0.03, floor)):
            _box(image, left, top, left + width, bottom, cupboard, 3)
            knob = left + width * 0.8, (top + bottom) / 2
            _box(image, *knob, knob[0] + width * 0.1, knob[1] + n * 0.03, DARK)
    _box(image, -5, counter, n + 5, counter + n * 0.03, _jitter(rng, (236, 220, 190)), 3)
    for middle in rng.uniform(0.05, 0.95, 4) * n:
        side, color = n * rng.uniform(0.02, 0.05), _jitter(rng, (250, 214, 176), 40)
        cv2.ellipse(image, _point(middle, counter - side), _point(side * 0.7, side), 0, 0, 360, color, -1, cv2.LINE_AA)
        cv2.ellipse(image, _point(middle, counter - side), _point(side * 0.7, side), 0, 0, 360, LINE, 2, cv2.LINE_AA)
    image[floor:] = _jitter(rng, (170, 140, 120))


def _street(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    ground = int(n * rng.uniform(0.66, 0.74))
    _vertical(image, _jitter(rng, (206, 216, 224)), _jitter(rng, (240, 232, 220)), 0, ground)
    x = -n * rng.uniform(0, 0.1)
    while x < n:
        width, top = n * rng.uniform(0.14, 0.26), n * rng.uniform(0.04, 0.24)
        _box(image, x, top, x + width, ground, _jitter(rng, (222, 176, 140), 44), 3)
        for y in np.arange(top + n * 0.04, ground - n * 0.1, n * 0.11):
            for left in (x + width * 0.14, x + width * 0.58):
                _box(image, left, y, left + width * 0.27, y + n * 0.07, _jitter(rng, (120, 150, 170)), 2)
        x += width
    image[ground:] = _jitter(rng, (158, 152, 150))
    stone = n * rng.uniform(0.04, 0.07)
    for row, y in enumerate(np.arange(ground, n, stone * 0.6)):
        for x in np.arange(-stone * (row % 2) / 2, n, stone):
            center, size = _point(x + stone / 2, y + stone * 0.3), _point(stone * 0.45, stone * 0.26)
            cv2.ellipse(image, center, size, 0, 0, 360, (112, 106, 106), 1, cv2.LINE_AA)
    for x in rng.uniform(0.05, 0.95, 2) * n:
        cv2.line(image, _point(x, ground + n * 0.05), _point(x, n * 0.16), (46, 56, 60), max(2, int(n * 0.014)))
        cv2.circle(image, _point(x, n * 0.14), int(n * 0.03), (255, 244, 200), -1, cv2.LINE_AA)
        cv2.circle(image, _point(x, n * 0.14), int(n * 0.03), LINE, 2, cv2.LINE_AA)


def _workshop(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    bench = int(n * rng.uniform(0.66, 0.74))
    image[:bench] = _jitter(rng, (206, 178, 140), 20)
    hole = int(n * rng.uniform(0.03, 0.045))
    for row in range(hole // 2, bench, hole):
        for column in range(hole // 2, n, hole):
            cv2.circle(image, (column, row), max(1, n // 250), (150, 120, 90), -1, cv2.LINE_AA)
    for top in (n * rng.uniform(0.02, 0.06), n * rng.uniform(0.28, 0.36)):
        x = n * rng.uniform(0.0, 0.06)
        while x < n:
            length, wide = n * rng.uniform(0.12, 0.22), n * rng.uniform(0.008, 0.016)
            handle, steel = (
                _jitter(rng, ((196, 60, 44), (60, 90, 150), (170, 116, 66))[int(rng.integers(3))]),
                (176, 182, 190),
            )
            kind = int(rng.integers(4))
            _box(image, x - wide, top + length * 0.45, x + wide, top + length, handle, 2)
            _box(image, x - wide / 2, top, x + wide / 2, top + length * 0.45, steel, 2)
            if kind == 0:  # hammer
                _box(image, x - wide * 3.2, top, x + wide * 2.4, top + wide * 2.6, (90, 92, 100), 2)
            elif kind == 1:  # spanner
                cv2.ellipse(image, _point(x, top), _point(wide * 2.2, wide * 2.2), -90, 40, 320, steel, 5, cv2.LINE_AA)
            elif kind == 2:  # brush
                _box(image, x - wide * 1.8, top, x + wide * 1.8, top + length * 0.3, (232, 210, 160), 2)
            x += n * rng.uniform(0.055, 0.1)
    _box(image, -5, bench, n + 5, bench + n * 0.04, _jitter(rng, (150, 100, 62)), 3)
    image[int(bench + n * 0.05) :] = _jitter(rng, (120, 84, 58))


def _organ(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    floor, case = int(n * rng.uniform(0.72, 0.78)), int(n * rng.uniform(0.46, 0.56))
    _vertical(image, _jitter(rng, (92, 76, 96)), _jitter(rng, (150, 128, 120)), 0, floor)
    tin = _jitter(rng, (206, 198, 176) if rng.random() < 0.5 else (196, 156, 84), 12)
    x, phase = -n * rng.uniform(0, 0.05), rng.uniform(0, 6)
    while x < n:
        width = n * rng.uniform(0.018, 0.04)
        top = n * (0.14 + 0.1 * np.sin(x / n * 11 + phase))
        _box(image, x, top, x + width, case, tin, 2)
        cv2.line(image, _point(x + width * 0.3, top), _point(x + width * 0.3, case), shade(tin, 1.6), 2, cv2.LINE_AA)
        mouth, foot = case - n * 0.09, np.array([(x, case - 6), (x + width, case - 6), (x + width / 2, case)], np.int32)
        _box(image, x + width * 0.2, mouth, x + width * 0.8, mouth + n * 0.012, DARK)
        cv2.fillPoly(image, [foot], shade(tin, 0.6), cv2.LINE_AA)
        x += width + n * 0.003
    _box(image, -5, case, n + 5, floor, _jitter(rng, (110, 66, 44)), 3)
    image[floor:] = _jitter(rng, (140, 116, 104))
    for x in rng.uniform(0.03, 0.97, 5) * n:
        top, wax = n * rng.uniform(0.08, 0.4), _jitter(rng, (246, 238, 214))
        cv2.line(image, _point(x, n), _point(x, top + n * 0.08), (150, 112, 40), max(2, n // 100), cv2.LINE_AA)
        _box(image, x - n * 0.012, top, x + n * 0.012, top + n * 0.09, wax, 2)
        flame = np.array(
            [(x - n * 0.009, top - n * 0.01), (x, top - n * 0.045), (x + n * 0.009, top - n * 0.01)], np.int32
        )
        cv2.fillPoly(image, [flame], (255, 206, 84), cv2.LINE_AA)
        cv2.ellipse(image, _point(x, top - n * 0.01), _point(n * 0.009, n * 0.009), 0, 0, 360, (255, 206, 84), -1)


def _vineyard(image: Picture, rng: np.random.Generator) -> None:
    n = len(image)
    hill = int(n * rng.uniform(0.3, 0.4))
    _vertical(image, _jitter(rng, (168, 208, 236)), _jitter(rng, (246, 232, 200)), 0, hill)
    _vertical(image, _jitter(rng, (148, 178, 92)), _jitter(rng, (128, 104, 66)), hill, n)
    for row, y in enumerate((hill + n * 0.06, hill + n * 0.24, hill + n * 0.46)):
        size = n * (0.12 + 0.07 * row)
        for height in (0.35, 0.8):
            cv2.line(image, _point(0, y - size * height), _point(n, y - size * height), (96, 96, 100), 2, cv2.LINE_AA)
        for x in np.arange(n * rng.uniform(0, 0.08), n, n * (0.07 + 0.03 * row)):
            top = y - size * rng.uniform(1.0, 1.5)
            wide = max(2, int(n * (0.006 + 0.003 * row)))
            cv2.line(image, _point(x, y), _point(x, top), LINE, wide + 4, cv2.LINE_AA)
            cv2.line(image, _point(x, y), _point(x, top), _jitter(rng, (150, 120, 86)), wide, cv2.LINE_AA)
            for _ in range(4):
                leaf = x + rng.normal(0, 0.2) * size, y - size * rng.uniform(0.2, 1.0)
                color = _jitter(rng, (86, 148, 62) if rng.random() < 0.7 else (190, 120, 50), 16)
                cv2.circle(image, _point(*leaf), int(size * rng.uniform(0.07, 0.13)), color, -1, cv2.LINE_AA)
                cv2.circle(image, _point(*leaf), int(size * 0.1), LINE, 1, cv2.LINE_AA)
            curl = _point(x + size * 0.1, top + size * 0.1), _point(size * 0.1, size * 0.14)
            cv2.ellipse(image, *curl, 0, 150, 420, (92, 140, 60), 2, cv2.LINE_AA)
            for k in range(6):
                grape = x + size * (0.12 + 0.05 * (k % 3)), y - size * (0.3 - 0.05 * (k // 3))
                cv2.circle(image, _point(*grape), max(2, int(size * 0.035)), (96, 50, 110), -1, cv2.LINE_AA)


def _point(x: float, y: float) -> tuple[int, int]:
    return int(x), int(y)


_PAINTERS: dict[str, Callable[[Picture, np.random.Generator], None]] = {
    "simple background": _simple,
    "gradient background": _gradient,
    "park": _park,
    "beach": _beach,
    "classroom": _classroom,
    "rooftop": _rooftop,
    "night city": _night_city,
    "festival": _festival,
    "library": _library,
    "aquarium": _aquarium,
    "snow": _snow,
    "bamboo": _bamboo,
    "stage": _stage,
    "harbour": _harbour,
    "workshop": _workshop,
    "organ": _organ,
    "vineyard": _vineyard,
    "kitchen": _kitchen,
    "street": _street,
    "patterns": paint_patterns,
    "rows": paint_rows,
}


def paint_background(image: Picture, name: str, rng: np.random.Generator) -> None:
    """Paint background ``name`` over the whole picture (H, W, 3), in place."""
    _PAINTERS[name](image, rng)
