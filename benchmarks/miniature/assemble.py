"""Make the shipped base from what the trainings wrote: ``python -m benchmarks.miniature.assemble --trained OUT``

Puts the pieces of the base and the VAE together as a diffusers folder, and packs that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.miniature.architecture import SIZES, Size, build_components, save_pipeline
from benchmarks.miniature.denoiser import PARTS, Denoiser
from benchmarks.miniature.train_base import read_pieces
from benchmarks.miniature.train_vae import load_vae
from service.miniature.packing import PACKED_BASE, pack_base, unpack_base


def assemble(trained: Path, vae: Path, folder: Path, size: Size) -> None:
    """Write a diffusers folder in fp16 from ``base-*.safetensors`` and ``vae.safetensors``."""
    components = build_components(size)
    Denoiser(*(components[name] for name in PARTS)).load_state_dict(read_pieces(trained))
    components["vae"] = load_vae(vae, single_frame=False)
    save_pipeline(components, folder, torch.float16)


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trained", type=Path, required=True, help="folder that train_base.py filled")
    parser.add_argument("--vae", type=Path, help="folder that train_vae.py filled; the same where not given")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/miniature/pipeline"), help="diffusers folder, fp16")
    parser.add_argument("--packed", type=Path, default=PACKED_BASE, help="packed base; replaced")
    parser.add_argument("--unpacked", type=Path, help="also unpack it to this diffusers folder (what LoRAs train on)")
    parser.add_argument("--size", choices=SIZES, default="shipped")
    args = parser.parse_args()
    assemble(args.trained, args.vae or args.trained, args.folder, args.size)
    pack_base(args.folder, args.packed)
    for path in sorted(args.packed.glob("*.safetensors")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
    if args.unpacked:
        unpack_base(args.packed, args.unpacked)


if __name__ == "__main__":
    main()
