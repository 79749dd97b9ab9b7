"""An image is there whole, under the hash of its bytes, or not at all."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.errors import NotFound, StorageFailed
from service.storage.files import whole_file
from service.storage.images import ImageStore, Pixels


def noise(seed: int = 0, size: int = 64) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_pixels_come_back_as_they_were(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    name = store.put(noise())
    assert np.array_equal(store.load(name), noise())
    assert hashlib.sha256(store.path(name).read_bytes()).hexdigest() == name


def test_the_same_pixels_are_stored_once(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    first = store.put(noise())
    written = store.path(first).stat().st_mtime_ns
    assert store.put(noise()) == first
    assert store.put(noise(1)) != first
    assert store.path(first).stat().st_mtime_ns == written
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, f"{'0' * 63}/"])
def test_what_is_no_hash_names_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        ImageStore(tmp_path).path(name)


def test_a_damaged_image_is_removed(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    name = store.put(noise())
    store.path(name).write_bytes(store.path(name).read_bytes()[:-20])
    with pytest.raises(NotFound, match="damaged"):
        store.load(name)
    assert not store.exists(name)


def test_a_missing_image_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no image"):
        ImageStore(tmp_path).load("0" * 64)


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with whole_file(tmp_path / "a.bin") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where the folder should be")
    with pytest.raises(StorageFailed, match="cannot write"):
        ImageStore(tmp_path / "images").put(noise())


FULL_DISK = """
import resource, sys
from pathlib import Path
from service.errors import StorageFailed
from service.storage.images import ImageStore
from tests.storage.test_images import noise

store = ImageStore(Path(sys.argv[1]))
small = store.put(noise(size=16))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    store.put(noise(size=128))
except StorageFailed as error:
    print(error)
    print(small)
"""


def test_a_full_disk_leaves_no_bad_image(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    result = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120)
    said, small = result.stdout.splitlines()
    assert "File too large" in said
    store = ImageStore(tmp_path)
    assert files(tmp_path) == [store.path(small)]
    assert np.array_equal(store.load(small), noise(size=16))


def test_webp_keeps_every_pixel_and_both_formats_can_be_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 32, 3), dtype=np.uint8)
    png, webp = ImageStore(tmp_path), ImageStore(tmp_path, "webp")
    old, new = png.put(pixels), webp.put(pixels)
    assert old != new
    assert (webp.path(new).suffix, webp.path(old).suffix) == (".webp", ".png")
    for name in (old, new):
        for store in (png, webp):
            assert store.exists(name)
            assert np.array_equal(store.load(name), pixels)


def test_a_small_picture_is_made_once_and_goes_with_its_image(tmp_path: Path) -> None:
    store, made = ImageStore(tmp_path), []

    def make(pixels: Pixels, size: int) -> bytes:
        made.append((pixels.shape, size))
        return b"small"

    name = store.put(noise())
    assert [store.small(name, 192, make) for _ in range(3)] == [b"small"] * 3
    assert [store.small(name, 100, make) for _ in range(2)] == [b"small"] * 2  # an odd size is not kept
    assert made == [((64, 64, 3), 192), ((64, 64, 3), 100), ((64, 64, 3), 100)]
    assert len(files(tmp_path)) == 2
    assert store.put(noise()) == name  # what is small is not taken for the image
    store.remove([name])
    assert files(tmp_path) == []
    with pytest.raises(NotFound):
        store.small(name, 192, make)
