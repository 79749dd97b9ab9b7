from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from service.checkpoints import describe, inspect_checkpoint, scan_folder, write_anima_toolkit
from service.checkpoints.provenance import Provenance, read_provenance
from service.errors import BleedcheckError, NotFound, UnreadableCheckpoint

SD_SCRIPTS = {"ss_output_name": "kei", "ss_num_epochs": "150", "ss_network_dim": "32", "ss_network_alpha": "16"}
TOOLKIT = {"ss_network_dim": "32", "ss_network_alpha": "16.0", "ss_network_module": "networks.lora",
           "ss_network_args": "{}"}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "metadata", "expected"),
    [
        ("kei-000004.safetensors", {**SD_SCRIPTS, "ss_epoch": "4"}, ("sd-scripts", "kei", 4, None, False)),
        ("kei-step00000800.safetensors", {**SD_SCRIPTS, "ss_epoch": "7"}, ("sd-scripts", "kei", None, 800, False)),
        ("kei.safetensors", {**SD_SCRIPTS, "ss_epoch": "150"}, ("sd-scripts", "kei", 150, None, True)),
        ("kei_v1_epoch148.safetensors", TOOLKIT, ("AnimaLoraToolkit", "kei_v1", 148, None, False)),
        ("kei_v1_step500.safetensors", TOOLKIT, ("AnimaLoraToolkit", "kei_v1", None, 500, False)),
        ("kei_v1_interrupted_step77.safetensors", TOOLKIT, ("AnimaLoraToolkit", "kei_v1", None, 77, False)),
        ("kei_v1.safetensors", TOOLKIT, ("AnimaLoraToolkit", "kei_v1", None, None, True)),
        ("run7/epoch12/adapter_model.safetensors", {"format": "pt"}, ("diffusion-pipe", "run7", 12, None, False)),
        ("run7/step900/adapter_model.safetensors", {"format": "pt"}, ("diffusion-pipe", "run7", None, 900, False)),
        (
            "job_000001500.safetensors",
            {"training_info": '{"step": 1500, "epoch": 12}', "name": "job"},
            ("ai-toolkit", "job", 12, 1500, False),
        ),
        ("job.safetensors", {"training_info": '{"step": 3000, "epoch": 25}'}, ("ai-toolkit", "job", 25, 3000, True)),
        (
            "kei2026-08-01_10-20-30-save-1200-10-0.safetensors",
            {"modelspec.title": "x"},
            ("OneTrainer", "kei", 10, 1200, False),
        ),
        ("final.safetensors", {"modelspec.title": "x"}, ("OneTrainer", "final", None, None, True)),
        ("whatever.safetensors", {}, ("unknown", "whatever", None, None, True)),
        ("whatever.safetensors", {"training_info": "[broken"}, ("ai-toolkit", "whatever", None, None, True)),
    ],
)
def test_trainer_run_epoch_and_step(
    path: str, metadata: dict[str, str], expected: tuple[str, str, int | None, int | None, bool]
) -> None:
    assert read_provenance(Path("/models") / path, metadata) == Provenance(*expected)


def write(path: Path, epoch: int = 0, metadata: dict[str, str] | None = TOOLKIT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    key = "lora_unet_blocks_0_mlp_layer1"
    tensors = {
        f"{key}.lora_down.weight": torch.full((4, 8), float(epoch), dtype=torch.bfloat16),
        f"{key}.lora_up.weight": torch.ones(16, 4, dtype=torch.bfloat16),
        f"{key}.alpha": torch.tensor(2.0, dtype=torch.bfloat16),
        "lora_te_layers_0_mlp_up_proj.lora_down.weight": torch.ones(4, 8, dtype=torch.bfloat16),
        "lora_te_layers_0_mlp_up_proj.lora_up.weight": torch.ones(16, 4, dtype=torch.bfloat16),
    }
    save_file(tensors, path, metadata=metadata)
    return path


def test_the_facts_of_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "kei_epoch4.safetensors")
    info = inspect_checkpoint(path)
    assert info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert info.size == path.stat().st_size
    assert (info.key_format, info.algorithms, info.rank, info.alpha) == ("kohya", ("lora",), 4, 2.0)
    assert (info.tensors, info.modules) == (5, 2)
    assert info.components == {"text_encoder": 1, "transformer": 1}
    assert json.loads(json.dumps(info.to_json()))["epoch"] == 4
    text = describe(info)
    assert text["kind"] == "lora, rank 4, alpha 2, BF16"
    assert text["run"] == "kei: epoch 4"
    assert text["changes"] == "1 modules of text_encoder, 1 modules of transformer (5 tensors)"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_alpha_is_read_in_every_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x.lora_A.weight": torch.ones(4, 8), "x.lora_B.weight": torch.ones(8, 4),
               "x.alpha": torch.tensor(16, dtype=dtype)}, path)  # fmt: skip
    assert inspect_checkpoint(path).alpha == 16.0


def test_a_folder_is_ordered_and_the_final_file_is_the_last_epoch(tmp_path: Path) -> None:
    for epoch in (8, 148, 4, 12):
        write(tmp_path / "v1" / f"kei_v1_epoch{epoch}.safetensors", epoch)
    write(tmp_path / "v1" / "kei_v1.safetensors", 150)
    write(tmp_path / "v2" / "kei_v2-000004.safetensors", 1, {**SD_SCRIPTS, "ss_epoch": "4"})
    write(tmp_path / "v2" / "kei_v2.safetensors", 2, {**SD_SCRIPTS, "ss_epoch": "10"})
    write(tmp_path / "v1" / "kei_v1-state" / "model.safetensors")
    write(tmp_path / ".cache" / "hidden.safetensors")

    found = scan_folder(tmp_path, final_epochs={"kei_v1": 150})
    assert [(info.name, info.epoch, info.is_final) for info in found] == [
        ("kei_v1", 4, False),
        ("kei_v1", 8, False),
        ("kei_v1", 12, False),
        ("kei_v1", 148, False),
        ("kei_v1", 150, True),
        ("kei_v2", 4, False),
        ("kei_v2", 10, True),
    ]
    unstated = scan_folder(tmp_path / "v1")[-1]
    assert unstated.is_final
    assert unstated.epoch is None
    assert any("does not say its epoch" in note for note in unstated.notes)
    assert found[4].notes == ()


def test_the_final_epoch_may_be_stated_for_all_runs(tmp_path: Path) -> None:
    write(tmp_path / "kei_epoch4.safetensors", 4)
    write(tmp_path / "kei.safetensors", 8)
    assert [info.epoch for info in scan_folder(tmp_path, final_epochs=8)] == [4, 8]
    assert [info.epoch for info in scan_folder(tmp_path, final_epochs={"other": 8})] == [4, None]


def test_unusable_files_are_named_not_dropped(tmp_path: Path) -> None:
    write(tmp_path / "kei_epoch4.safetensors")
    (tmp_path / "kei_epoch8.safetensors").write_bytes(b"cut off")
    with pytest.raises(UnreadableCheckpoint, match="kei_epoch8"):
        scan_folder(tmp_path)
    skipped: list[tuple[Path, BleedcheckError]] = []
    assert [info.epoch for info in scan_folder(tmp_path, skipped=skipped)] == [4]
    assert [path.name for path, _ in skipped] == ["kei_epoch8.safetensors"]
    with pytest.raises(NotFound):
        scan_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound):
        scan_folder(tmp_path / "empty")


def test_pefts_sidecar_alpha_is_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "epoch3" / "adapter_model.safetensors"
    path.parent.mkdir()
    pair = {"lora_A.weight": torch.ones(4, 8), "lora_B.weight": torch.ones(8, 4)}
    save_file({f"diffusion_model.x.{part}": tensor for part, tensor in pair.items()}, path)
    path.with_name("adapter_config.json").write_text('{"lora_alpha": 4}')
    assert inspect_checkpoint(path).notes == ()
    path.with_name("adapter_config.json").write_text('{"lora_alpha": 8}')
    assert "lora_alpha 8" in inspect_checkpoint(path).notes[0]


def test_the_written_file_is_the_toolkits(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kei_epoch4.safetensors"
    down, up = torch.randn(4, 32), torch.randn(64, 4)
    weights = {
        "transformer_blocks.0.ff.net.0.proj": (down, up),
        "text_conditioner.blocks.0.self_attn.q_proj": (down.clone(), up.clone()),
    }
    write_anima_toolkit(path, weights, 4, 2.0)
    tensors = load_file(path)
    assert set(tensors) == {
        f"{base}.{part}"
        for base in ("lora_unet_blocks_0_mlp_layer1", "lora_unet_llm_adapter_blocks_0_self_attn_q_proj")
        for part in ("alpha", "lora_down.weight", "lora_up.weight")
    }
    assert torch.equal(tensors["lora_unet_blocks_0_mlp_layer1.lora_up.weight"], up)
    assert tensors["lora_unet_blocks_0_mlp_layer1.alpha"] == 2.0
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {"ss_network_dim": "4", "ss_network_alpha": "2.0",
                                   "ss_network_module": "networks.lora", "ss_network_args": "{}"}  # fmt: skip
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    first = path.read_bytes()
    for _ in range(4):
        write_anima_toolkit(path, weights, 4, 2.0)
        assert path.read_bytes() == first
    assert inspect_checkpoint(path).trainer == "AnimaLoraToolkit"
    with pytest.raises(ValueError, match="rank 8"):
        write_anima_toolkit(path, weights, 8, 2.0)


def test_inspecting_does_not_import_torch(tmp_path: Path) -> None:
    path = write(tmp_path / "kei_epoch4.safetensors")
    code = f"""
import sys
from pathlib import Path
from service.checkpoints import describe, inspect_checkpoint, scan_folder
describe(inspect_checkpoint(Path({str(path)!r})))
scan_folder(Path({str(tmp_path)!r}))
assert not {{"torch", "numpy", "diffusers"}} & set(sys.modules), "heavy imports"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
