"""CLIP's tokenizer from the vocabulary that open_clip ships, so that SDXL needs no download for it."""

from __future__ import annotations

import gzip
from importlib import resources
from typing import Any

_MERGES = 49152 - 256 - 2  # as many of the file's merges as CLIP's vocabulary has room for
MAX_TOKENS = 77


def clip_tokenizer(pad_token: str) -> Any:
    """The ``CLIPTokenizer`` of SDXL.

    Args:
        pad_token: ``<|endoftext|>`` for the first text encoder, ``!`` for the second.
    """
    from transformers import CLIPTokenizer

    packed = (resources.files("open_clip") / "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    merges = gzip.decompress(packed).decode("utf-8").split("\n")[1 : _MERGES + 1]
    letters = list(_byte_letters().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    pairs: Any = [tuple(merge.split()) for merge in merges]
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, pad_token=pad_token, model_max_length=MAX_TOKENS)


def _byte_letters() -> dict[int, str]:
    """A printable letter for each byte, in the order of the vocabulary: printable ones stand for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}
