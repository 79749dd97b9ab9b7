"""Any open_clip model by its name with a local weights file, on one person's crop at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.captions import caption, words_of
from detectors.errors import InvalidInput, MissingWeights, UnusableWeights
from detectors.expectations import Character
from detectors.likeness import Likeness

if TYPE_CHECKING:
    from detectors.profiles.spec import Clip

Image = NDArray[np.uint8]
Features = NDArray[np.float32]

# Where cosines of pictures and fitting words lie for public CLIP models: about 0.3, those of wrong words about 0.2.
_TEXT_CENTRE, _TEXT_SLOPE = 0.25, 30.0


@dataclass(frozen=True)
class OpenClip:
    """A loaded model; ``mean`` and ``deviation`` are those of its own preprocessing, (3,)."""

    model: Any
    tokenizer: Any
    side: int
    mean: Any
    deviation: Any
    device: str
    _texts: dict[str, Features] = field(default_factory=dict)

    @classmethod
    def load(cls, clip: Clip, device: str) -> OpenClip:
        """Build open_clip's architecture and read its weights from a safetensors file; nothing is downloaded.

        Raises:
            InvalidInput: open_clip has no such model, or it would need files from a hub.
            MissingWeights: there is no such file.
            UnusableWeights: the file does not belong to the model.
        """
        import open_clip
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        config = open_clip.get_model_config(clip.model)
        if config is None:
            raise InvalidInput(f"open_clip has no model {clip.model!r}; `open_clip.list_models()` names those it has")
        if "hf_model_name" in config.get("text_cfg", {}) or "hf_tokenizer_name" in config.get("text_cfg", {}):
            raise InvalidInput(f"{clip.model} takes its text model from a hub; choose one like ViT-B-32")
        if not clip.weights.is_file():
            raise MissingWeights(
                f"The CLIP weights are not at {clip.weights}. Put a safetensors file of {clip.model} there."
            )
        try:
            state = load_file(clip.weights)
        except (SafetensorError, OSError) as error:
            raise UnusableWeights(
                f"{clip.weights} is no safetensors file ({error}). Pickles (.pt, .bin) are never read: convert it."
            ) from error
        model = open_clip.create_model(clip.model, pretrained=None, device="cpu")
        try:
            model.load_state_dict(state)
        except RuntimeError as error:
            told = str(error).splitlines()[-1].strip()
            raise UnusableWeights(f"{clip.weights} does not belong to {clip.model}: {told}") from error
        import torch

        size = model.visual.image_size
        mean, deviation = (
            torch.tensor(getattr(model.visual, name, None) or usual, device=device).view(1, 3, 1, 1)
            for name, usual in (
                ("image_mean", open_clip.OPENAI_DATASET_MEAN),
                ("image_std", open_clip.OPENAI_DATASET_STD),
            )
        )
        side = int(size[0] if isinstance(size, tuple | list) else size)
        tokenizer = open_clip.get_tokenizer(clip.model)
        return cls(model.to(device).eval(), tokenizer, side, mean, deviation, device)

    def picture(self, crop: Image) -> Features:
        """The unit embedding (D,) of one person's crop (H, W, 3), in the middle of a grey square."""
        import torch
        from PIL import Image as Pictures

        most = max(crop.shape[:2])
        square = np.full((most, most, 3), 128, np.uint8)
        top, left = (most - crop.shape[0]) // 2, (most - crop.shape[1]) // 2
        square[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        resized = np.asarray(Pictures.fromarray(square).resize((self.side, self.side), Pictures.Resampling.BICUBIC))
        with torch.inference_mode():
            pixels = torch.from_numpy(resized.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255
            features = self.model.encode_image((pixels - self.mean) / self.deviation, normalize=True)
        return np.asarray(features[0].float().cpu().numpy())

    def as_likeness(self) -> Likeness:
        """The same model in the place of the miniature's small one, which sees crops of another size and scale."""
        return ClipLikeness(_Resizing(self), self.tokenizer, self.device, _TEXT_CENTRE, _TEXT_SLOPE)

    def text(self, words: str) -> Features:
        """The unit embedding (D,) of a caption; remembered."""
        import torch

        if words not in self._texts:
            with torch.inference_mode():
                features = self.model.encode_text(self.tokenizer([words]).to(self.device), normalize=True)
            self._texts[words] = np.asarray(features[0].float().cpu().numpy())
        return self._texts[words]

    def fit(self, crop: Image, cast: Sequence[Character]) -> dict[str, float]:
        """Log-likelihood of each character by her words, as the model itself was trained: a softmax over the cast.

        Where nothing is stated of somebody, or there is nobody to compare her with, it says nothing: 0 nats for all.
        """
        captions = {each.name: caption(words) for each in cast if (words := words_of(each.attributes))}
        if len(captions) < len(cast) or len(cast) < 2:
            return {each.name: 0.0 for each in cast}
        own = self.picture(crop)
        scale = float(self.model.logit_scale.detach().exp())
        logits = np.array([scale * float(own @ self.text(words)) for words in captions.values()])
        nats = logits - np.logaddexp.reduce(logits)
        return dict(zip(captions, (float(value) for value in nats), strict=True))


class ClipLikeness(Likeness):
    """A likeness model of the user's choice."""


@dataclass(frozen=True)
class _Resizing:
    """Takes the crops that the small model takes and brings them to what this one was trained on."""

    clip: OpenClip

    def encode_image(self, crops: Any, normalize: bool = True) -> Any:
        """Embeddings (M, D) of normalised crops (M, 3, S, S), each by itself, so that a batch changes no answer."""
        import torch
        from torch.nn import functional

        rows = []
        for crop in crops:
            # The inverse of `detectors.networks.normalise`.
            pixels = (crop[None] / 4.0 + 0.5).clamp(0, 1)
            size = (self.clip.side, self.clip.side)
            large = functional.interpolate(pixels, size=size, mode="bicubic", align_corners=False).clamp(0, 1)
            rows.append(
                self.clip.model.encode_image((large - self.clip.mean) / self.clip.deviation, normalize=normalize)
            )
        return torch.cat(rows)

    def encode_text(self, tokens: Any, normalize: bool = True) -> Any:
        """The model's own."""
        return self.clip.model.encode_text(tokens, normalize=normalize)
