"""The miniature's world: drawings with exact truth, and the training of a tiny Anima and its LoRA runs on them.

Training needs one NVIDIA GPU (two halve the time: put ``torchrun --nproc-per-node 2`` in place of ``python``) and no
network. Every training ends when its ``--minutes`` are over, saves a resumable state every minute under ``--work`` and
goes on from there when it is called again; ``--until 0.5`` stops in the middle of the schedule. Minutes count from the
start of the process. In order::

    # 1. Drawings of other characters, on every core: 200 kB each, about 80 a second and core.
    python -m benchmarks.miniature.dataset --out /tmp/drawings --count 160000 --seed 1

    # 2. The VAE: 36.7 dB on unseen drawings after 5 minutes of one H200. Writes vae.safetensors and vae.json.
    python -m benchmarks.miniature.train_vae --drawings /tmp/drawings --out out/vae --minutes 5 --batch 96

    # 3. Transformer, text encoder and conditioner, then guidance distilled into them. Writes base-*.safetensors.
    python -m benchmarks.miniature.train_base --drawings /tmp/drawings --vae out/vae --out out/base \\
        --minutes 12 --distill-minutes 2
    #    In two calls: --minutes 9 --until 0.7, then --minutes 9 --distill-minutes 2 with the same --work.
    #    From written weights instead of a save: --init out/base, and --only-distil for the second stage alone.

    # 4. The packed base that the repository ships (24 MB), and the folder it unpacks to.
    python -m benchmarks.miniature.assemble --trained out/base --vae out/vae --unpacked /tmp/base

    # 5. The LoRA runs: the two recipes, the two cells between them, several seeds; 38 files of 0.5 or 1 MB a run.
    #    Writes a folder for each run with run.json and sheet.png.
    python -m benchmarks.miniature.train_loras --base /tmp/base --out /tmp/runs --recipes v1 v2 v1-rank8 v2-rank4 \\
        --seeds 0 1 --lr 8e-4 --minutes 8

The tokenizers in ``tokenizers/`` belong to the base: ``python -m benchmarks.miniature.tokenizing`` makes new ones, for
which steps 3 to 5 have to be done again. Everything runs on a CPU too with ``--size nano``, as the tests do.
"""
