"""Random structured forest: trees whose leaves hold patches of crack mask (CrackForest)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from fissura.config import Config
from fissura.errors import DatasetError, TrainingError
from fissura.imaging.images import Mask, RgbImage
from train.baselines.baseline import Baseline, Scores
from train.baselines.crack_channels import Questions

TOKEN_PX = 16  # side of the mask patches
REACH_PX = 16  # features come from a window of twice a token's side
HELD_OUT = 5  # every fifth image chooses the threshold and grows no tree
POSITIONS_AT_ONCE = 16_384

FORESTS = {"extra_trees": ExtraTreesRegressor, "random_forest": RandomForestRegressor}

Tokens = NDArray[np.bool_]


class StructuredForestConfig(Config):
    """Options of `StructuredForest`. CrackForest's are 8 trees, 10^6 patches, all questions, 16 px tokens, stride 2."""

    kind: Literal["extra_trees", "random_forest"] = Field(
        default="extra_trees", description="random_forest searches every split's threshold: slower"
    )
    trees: int = Field(default=8, ge=1, le=256)
    patches_per_image: int = Field(default=600, ge=2, description="half of them around cracks")
    lookups: int = Field(default=400, ge=1, description="features that are one value of a channel")
    comparisons: int = Field(default=400, ge=1, description="features that are a difference of two")
    features_per_split: float = Field(default=0.2, gt=0, le=1, description="share of the features a split looks at")
    patches_per_leaf: int = Field(default=4, ge=1, description="at least")
    components: int = Field(default=8, ge=1, le=64, description="of the tokens' PCA, by which splits are judged")
    stride_px: int = Field(default=4, ge=1, le=TOKEN_PX, description="between predicted patches")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of patches, features and trees")


class StructuredForest(Baseline):
    """The mean of the mask patches that the trees predict over a pixel, from all patches that cover it.

    A tree asks for channel values and differences around a patch's centre (`Questions`). Tokens, the 16x16 mask
    patches, are projected on their principal components, and a split is judged by the variance of these, so that
    patches of like structure meet in a leaf; a leaf predicts the mean of its tokens.

    Simplified: the projection takes the pixels of the tokens, not pairwise comparisons cut into two classes at each
    node; a leaf keeps the mean token, not the most typical one; features are a fixed random part of all; the crack
    descriptor (histograms of tokens, classified by an SVM) that discards false regions afterwards is left out. Where
    there are five images or more, every fifth one grows no tree but chooses the threshold.

    Reference:
        Shi, Cui, Qi, Meng, Chen, "Automatic road crack detection using random structured forests", T-ITS 17(12),
        2016; Dollár, Zitnick, "Structured forests for fast edge detection", ICCV 2013. A baseline of papers 000
        (RSF) and 001 (CrackForest).
    """

    config = StructuredForestConfig
    learns = True

    def __init__(self, options: StructuredForestConfig | None = None) -> None:
        self.options = options or StructuredForestConfig()
        generator = np.random.default_rng(self.options.seed)
        self.questions = Questions.draw(generator, self.options.lookups, self.options.comparisons, REACH_PX)
        self.forest: Any = None
        self.leaf_tokens: list[NDArray[np.float32]] = []

    def fit(self, samples: Iterable[tuple[RgbImage, Mask]]) -> None:
        """Grow the trees and fit the decision threshold; the same images and seed give the same forest.

        Args:
            samples: images (H, W, 3) uint8 RGB and masks (H, W) bool.

        Raises:
            DatasetError: there are no images, or no crack in those that grow the trees or choose the threshold.
        """
        everything = list(samples)
        enough = len(everything) >= HELD_OUT
        grown = [sample for index, sample in enumerate(everything) if not enough or index % HELD_OUT]
        if not any(mask.any() for _, mask in grown):
            raise DatasetError("no crack to learn from", expected="images whose masks show cracks")
        generator = np.random.default_rng([self.options.seed, 1])  # not the numbers that drew the questions
        drawn = [self._draw(image, mask, generator) for image, mask in grown]
        self._grow(np.concatenate([features for features, _ in drawn]), np.concatenate([tokens for _, tokens in drawn]))
        super().fit(everything[::HELD_OUT] if enough else everything)

    def score(self, frame: RgbImage) -> Scores:
        if self.forest is None:
            raise TrainingError("the structured forest was not fitted", expected="`fit` before the first image")
        height, width = frame.shape[:2]
        stride, half = self.options.stride_px, TOKEN_PX // 2
        prepared = self.questions.prepare(frame)
        # One more than fit, clipped to the frame below: the last rows and columns are covered as often as others.
        rows, columns = np.arange(0, height + stride, stride), np.arange(0, width + stride, stride)
        total = np.zeros((rows[-1] + TOKEN_PX, columns[-1] + TOKEN_PX), np.float32)
        votes = np.zeros_like(total)
        band = max(1, POSITIONS_AT_ONCE // len(columns))
        for first in range(0, len(rows), band):
            chosen = rows[first : first + band]
            at_row, at_column = (grid.ravel() for grid in np.meshgrid(chosen, columns, indexing="ij"))
            features = self.questions.ask(prepared, np.minimum(at_row, height - 1), np.minimum(at_column, width - 1))
            tokens = self._predict(features).reshape(len(chosen), len(columns), TOKEN_PX, TOKEN_PX)
            for y, x in np.ndindex(TOKEN_PX, TOKEN_PX):
                place = (
                    slice(chosen[0] + y, chosen[-1] + y + 1, stride),
                    slice(x, columns[-1] + x + 1, stride),
                )
                total[place] += tokens[:, :, y, x]
                votes[place] += 1
        inside = (slice(half, half + height), slice(half, half + width))
        # Rounding may lead a hair above 1.
        return np.minimum(total[inside] / votes[inside], np.float32(1))

    def _draw(self, image: RgbImage, mask: Mask, generator: np.random.Generator) -> tuple[NDArray[np.float32], Tokens]:
        """Features (p, n) and tokens (p, TOKEN_PX, TOKEN_PX) of patches, half of them around cracks."""
        around = np.ones((TOKEN_PX // 2 + 1, TOKEN_PX // 2 + 1), np.uint8)
        near = cv2.dilate(mask.astype(np.uint8), around) > 0
        half = self.options.patches_per_image // 2
        places = [
            pixels[generator.integers(0, len(pixels), half)]
            for pixels in (np.argwhere(near), np.argwhere(~near))
            if len(pixels)
        ]
        rows, columns = np.concatenate(places).T
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, TOKEN_PX // 2), (TOKEN_PX, TOKEN_PX))
        return self.questions.ask(self.questions.prepare(image), rows, columns), windows[rows, columns]

    def _grow(self, features: NDArray[np.float32], tokens: Tokens) -> None:
        options = self.options
        flat = tokens.reshape(len(tokens), -1).astype(np.float32)
        components = min(options.components, *flat.shape)
        structure = PCA(components, svd_solver="randomized", random_state=options.seed).fit_transform(flat)
        self.forest = FORESTS[options.kind](
            options.trees,
            max_features=options.features_per_split,
            min_samples_leaf=options.patches_per_leaf,
            random_state=options.seed,
        ).fit(features, structure)
        self.leaf_tokens = []
        for tree, leaf in zip(self.forest.estimators_, self.forest.apply(features).T, strict=True):
            total = np.zeros((tree.tree_.node_count, flat.shape[1]), np.float32)
            np.add.at(total, leaf, flat)
            patches = np.bincount(leaf, minlength=len(total)).astype(np.float32)
            self.leaf_tokens.append(total / np.maximum(patches, np.float32(1))[:, None])

    def _predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(p, TOKEN_PX ** 2) mean over the trees of the leaves' mean tokens."""
        total = np.zeros((len(features), TOKEN_PX**2), np.float32)
        for tokens, leaf in zip(self.leaf_tokens, self.forest.apply(features).T, strict=True):
            total += tokens[leaf]
        return total / np.float32(len(self.leaf_tokens))
