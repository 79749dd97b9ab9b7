"""Downloads from a server of our own that breaks off, is busy, or changes its mind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from detectors.errors import ChangedWeights, MissingWeights
from detectors.weights import fetching, manifest, trust
from detectors.weights.downloading import ATTEMPTS, download
from detectors.weights.manifest import WeightFile

CONTENT = bytes(range(256)) * 4000


class Server(BaseHTTPRequestHandler):
    """Serves one file; the class's fields say what goes wrong."""

    content: ClassVar[bytes] = CONTENT
    version: ClassVar[str] = '"one"'
    break_off: ClassVar[list[int]] = []
    answers: ClassVar[list[int]] = []
    ranges: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.ranges.append(wanted)
        if self.answers:
            self.send_error(self.answers.pop(0))
            return
        first = 0
        if wanted and self.headers.get("If-Range") == self.version:
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if first else 200)
        body = self.content[first:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.version)
        self.end_headers()
        stop = self.break_off.pop(0) if self.break_off else len(body)
        self.wfile.write(body[:stop])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {"content": CONTENT, "version": '"one"', "break_off": [], "answers": [], "ranges": []}.items():
        monkeypatch.setattr(Server, name, value)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/model.onnx"
    server.shutdown()
    server.server_close()


def test_a_file_arrives_whole_and_says_how_far_it_is(address: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    download(address, tmp_path / "model.onnx", lambda done, total: seen.append((done, total)))
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_it_goes_on_where_it_broke_off(address: str, tmp_path: Path) -> None:
    Server.break_off += [300_000, 200_000]
    download(address, tmp_path / "model.onnx", wait_s=0.0)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert Server.ranges[0] == ""
    assert len(Server.ranges) == 3
    assert all(each.startswith("bytes=") for each in Server.ranges[1:])


def test_another_process_goes_on(address: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.partial").write_bytes(CONTENT[:500_000])
    (tmp_path / "model.onnx.partial.etag").write_text('"one"')
    download(address, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert Server.ranges == ["bytes=500000-"]


def test_a_file_that_changed_on_the_server_is_begun_again(address: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx.partial").write_bytes(b"old" * 1000)
    (tmp_path / "model.onnx.partial.etag").write_text('"zero"')
    download(address, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_a_refusal_is_not(address: str, tmp_path: Path) -> None:
    Server.answers += [503, 429]
    download(address, tmp_path / "model.onnx", wait_s=0.0)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    Server.ranges.clear()
    Server.answers += [404]
    with pytest.raises(OSError, match="404"):
        download(address, tmp_path / "other.onnx", wait_s=0.0)
    assert len(Server.ranges) == 1
    Server.answers += [500] * ATTEMPTS
    with pytest.raises(OSError, match="500"):
        download(address, tmp_path / "other.onnx", wait_s=0.0)
    assert not (tmp_path / "other.onnx").exists()


class TestFetch:
    """From the manifest to a file that is trusted."""

    @pytest.fixture
    def item(self, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightFile:
        monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(tmp_path))
        item = WeightFile("small", "small.onnx", "anime", address, "MIT")
        self.list(monkeypatch, item)
        return item

    def list(self, monkeypatch: pytest.MonkeyPatch, item: WeightFile) -> None:
        for module in (manifest, fetching):
            monkeypatch.setattr(module, "MANIFEST", (item,))

    def test_its_hash_is_recorded_and_kept_to(self, item: WeightFile, tmp_path: Path) -> None:
        path = fetching.fetch("small")
        assert path == tmp_path / "weights" / "small.onnx"
        [row] = fetching.listing()
        assert (row["present"], row["sha256_from"], row["size"]) == (True, "first use", len(CONTENT))
        trust.verify(item, path)
        path.write_bytes(b"something else")
        with pytest.raises(ChangedWeights, match=r"bleedcheck weights trust small"):
            trust.verify(item, path)
        trust.record(item, path)
        trust.verify(item, path)

    def test_a_wrong_file_never_takes_its_place(
        self, item: WeightFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        self.list(monkeypatch, replace(item, sha256="0" * 64))
        with pytest.raises(MissingWeights, match=r"wrong sha256.*put it at .*small\.onnx"):
            fetching.fetch("small")
        assert not list((tmp_path / "weights").iterdir())

    def test_without_a_network_it_says_what_to_put_where(
        self, item: WeightFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        monkeypatch.setattr("detectors.weights.downloading._WAIT_S", 0.0)
        self.list(monkeypatch, replace(item, source="http://127.0.0.1:9/small.onnx"))
        monkeypatch.setattr(download, "__defaults__", (None, 0.0))
        with pytest.raises(
            MissingWeights, match=r"Download http://127\.0\.0\.1:9/small\.onnx on a machine with"
        ) as told:
            fetching.fetch("small")
        assert str(tmp_path / "weights" / "small.onnx") in str(told.value)
