"""The two tiny tokenizers: trained once on captions, then kept as files so that every model reads the same ids.

``python -m benchmarks.miniature.tokenizing`` trains them again (a base trained before that no longer fits).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.miniature import scenes
from benchmarks.miniature.names import SYLLABLES

FOLDER = Path(__file__).parent / "tokenizers"
QWEN_VOCABULARY = 896
T5_VOCABULARY = 768
QWEN_LENGTH = 112
"""Tokens a caption is padded to for the text encoder."""
CONDITIONER_LENGTH = 80
"""Tokens a caption is padded to for the conditioner: its minimum sequence length."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"()-_/&+#*@"
_PLAIN_WORDS = (
    "masterpiece, best quality, score_7, safe, 1girl, solo, 2girls, multiple girls, the girl on the left has and eyes, "
    "the girl on the right is wearing a with hair. She carries the other on her back in her arms, sitting on lap, "
    "girl on top, side by side, holding hands, looking at viewer, full body, upper body, cowboy shot, from afar, "
    "no ahoge, without an ahoge, smile, closed mouth, bad quality, extra legs, missing hands"
)


def caption_corpus(count: int, seed: int) -> Iterator[str]:
    """Captions of random scenes without names, and every syllable of a name at the start and inside of a word.

    Names are left out so that no whole name becomes one token: a trigger word has to be made of pieces the base knows.
    """
    from benchmarks.miniature.captions import caption

    rng = np.random.default_rng(seed)
    words = [str(w) for group in _vocabulary() for w in group]
    for _ in range(count):
        yield caption(scenes.sample_scene(rng), rng)
        if rng.random() < 0.2:
            # A digit stands alone in Qwen2's splitting, so what follows it is learnt as the inside of a word.
            starts, insides = (joint.join(rng.choice(SYLLABLES, size=6)) for joint in (" ", "0"))
            yield f"{_PLAIN_WORDS}, {', '.join(str(w) for w in rng.permutation(words)[:12])}, {starts}0{insides}0chan"


def _vocabulary() -> Sequence[Sequence[str]]:
    """Every word group of :mod:`scenes` that a prompt may name."""
    return [value for name, value in vars(scenes).items() if name.isupper() and name != "FAILURES" and _words(value)]


def _words(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, str) for v in value)


def train_tokenizers(folder: Path, captions: Sequence[str]) -> None:
    """Train both tokenizers on ``captions`` and write them as the folders ``tokenizer`` and ``t5_tokenizer``.

    The first is a byte-level BPE with Qwen2's own splitting, the second a Unigram with T5's, ending in ``</s>``.
    """
    _train_bpe(folder / "tokenizer", captions)
    _train_unigram(folder / "t5_tokenizer", captions)


def _train_bpe(folder: Path, captions: Sequence[str]) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    bare = Tokenizer(models.BPE())
    tokenizer_class: Any = Qwen2Tokenizer
    bare.pre_tokenizer = tokenizer_class()._tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=QWEN_VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bare.train_from_iterator(captions, trainer)
    model = json.loads(bare.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer_class(vocab=model["vocab"], merges=merges, padding_side="right").save_pretrained(folder)


def _train_unigram(folder: Path, captions: Sequence[str]) -> None:
    """A Unigram whose pieces all score the same, so that a text becomes as few pieces as possible.

    The library's own trainer drops whole words of so small a vocabulary in favour of fragments.
    """
    from transformers import T5TokenizerFast  # type: ignore[attr-defined]

    syllables = [f"{start}{s}" for s in (*SYLLABLES, "chan") for start in ("", "\u2581") if len(start + s) > 1]
    counts = Counter(word.strip(",.") for text in captions for word in text.split(" ") if "0" not in word)
    words = [f"\u2581{word}{comma}" for word, _ in counts.most_common() for comma in (",", "")]
    pieces = list(dict.fromkeys(("\u2581", *_LETTERS, "chan,", "chan's", *syllables, *words)))[: T5_VOCABULARY - 3]
    scored = [(piece, -10.0 - (len(piece) == 1)) for piece in pieces]
    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    T5TokenizerFast(vocab=specials + scored, extra_ids=0, padding_side="right").save_pretrained(folder)


def load_tokenizers(folder: Path = FOLDER) -> dict[str, Any]:
    """Both tokenizers as the classes the Anima pipeline expects, by component name."""
    from transformers import Qwen2Tokenizer, T5TokenizerFast  # type: ignore[attr-defined]

    return {
        "tokenizer": Qwen2Tokenizer.from_pretrained(str(folder / "tokenizer")),
        "t5_tokenizer": T5TokenizerFast.from_pretrained(str(folder / "t5_tokenizer")),
    }


def encode_captions(captions: Sequence[str], folder: Path = FOLDER) -> dict[str, np.ndarray[Any, np.dtype[np.int16]]]:
    """Token ids for training, right-padded to fixed lengths.

    Args:
        captions: N texts.
        folder: where the tokenizers are.

    Returns:
        ``qwen`` (N, :data:`QWEN_LENGTH`) and ``t5`` (N, :data:`CONDITIONER_LENGTH`), both with -1 where padded. The
        rare longer caption loses its end.
    """
    from tokenizers import Tokenizer

    ids: dict[str, np.ndarray[Any, np.dtype[np.int16]]] = {}
    for key, name, length in (("qwen", "tokenizer", QWEN_LENGTH), ("t5", "t5_tokenizer", CONDITIONER_LENGTH)):
        rows = Tokenizer.from_file(str(folder / name / "tokenizer.json")).encode_batch(list(captions))
        table = np.full((len(captions), length), -1, dtype=np.int16)
        for row, encoding in zip(table, rows, strict=True):
            row[: len(encoding.ids)] = encoding.ids[:length]
        ids[key] = table
    return ids


if __name__ == "__main__":
    train_tokenizers(FOLDER, list(caption_corpus(20_000, seed=7)))
