"""Times of one training step's parts, and what they come to."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from cases import Case
from torch import Tensor, nn

from train.config import Recipe
from train.fit import choose_precision
from train.losses import build_loss
from train.losses.distance import distance_maps
from train.model import build_model
from train.optimiser import build_optimiser

HEIGHT, WIDTH, BATCH = 320, 480, 2
MONAI_BAR = 1.1
STEP_BAR = 0.03

Call = Callable[[], object]


def masks(seed: int) -> Tensor:
    """(2, 1, 320, 480): three cracks of 3 px width in each image, some 2 % of its pixels."""
    rng = np.random.default_rng(seed)
    images = np.zeros((BATCH, HEIGHT, WIDTH), np.uint8)
    for image in images:
        for _ in range(3):
            steps = rng.normal(0, 6, (40, 1)).cumsum(0) + rng.uniform(0, HEIGHT)
            points = np.hstack([np.linspace(0, WIDTH, 40)[:, None], steps])
            cv2.polylines(image, [points.round().astype(np.int32)], False, 1, 3)
    return torch.from_numpy(images)[:, None].float()


def network_step(recipe: Recipe) -> Call:
    """A training step of the recipe's network as `fit` runs it, but with a given gradient in the place of a loss."""
    model = build_model(recipe.model)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    built = build_optimiser(recipe.optimiser, model.parameters(), total_steps=10_000)
    optimiser = built["optimizer"] if isinstance(built, dict) else built
    image = torch.rand(BATCH, 3, HEIGHT, WIDTH).to(memory_format=torch.channels_last)
    gradient = torch.randn(BATCH, 1, HEIGHT, WIDTH) / image.numel()
    bf16 = choose_precision(recipe.precision) == "bf16-mixed"

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            (logits,) = model.training_logits(image)
        optimiser.zero_grad()
        logits.float().backward(gradient)
        optimiser.step()

    return step


def loss_call(loss: nn.Module | Callable[..., Tensor], logits: Tensor, *truth: Tensor) -> Call:
    """Forward and backward to the logits."""

    def call() -> None:
        logits.grad = None
        loss(logits, *truth).backward()

    return call


def seconds(work: Call) -> float:
    """Of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def timed_pair(our: Call, their: Call | None, *, swap: bool) -> tuple[float, float | None]:
    """One call of each; who goes first takes turns, as each leaves the memory it used to the other."""
    if their is None:
        return seconds(our), None
    if not swap:
        return seconds(our), seconds(their)
    their_time = seconds(their)
    return seconds(our), their_time


def measure(cases: tuple[Case, ...], recipe: Recipe, rounds: int, calls: int, seed: int = 0) -> list[dict[str, object]]:
    """Time all cases in turn, round by round, so that a change of the machine's clock meets every side.

    Args:
        cases: what is timed.
        recipe: whose network's step is the yardstick.
        rounds: how often all are timed; the first round is left out.
        calls: of each loss in a round.

    Returns:
        A row a case: its share of the step and its ratio to MONAI's loss, medians and quartiles over the rounds, and
        whether it keeps to its bars.
    """
    torch.manual_seed(seed)
    target = masks(seed)
    logits = (3 * torch.randn(target.shape) + 6 * target - 4).requires_grad_()
    step = network_step(recipe)
    ours: list[Call] = []
    theirs: list[Call | None] = []
    for case in cases:
        loss = build_loss(case.options)
        given = (distance_maps(target, loss.distance_kind),) if case.map_given and loss.distance_kind else ()
        ours.append(loss_call(loss, logits, target, *given))
        theirs.append(loss_call(case.rival[1], logits, target) if case.rival else None)
    shares: list[list[float]] = [[] for _ in cases]
    ratios: list[list[float]] = [[] for _ in cases]
    for turn in range(rounds + 1):
        yardstick = seconds(step)
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            pairs = [timed_pair(our, their, swap=bool(call % 2)) for call in range(calls)]
            if turn:
                shares[number].append(statistics.median(time for time, _ in pairs) / yardstick)
                ratios[number] += [our_time / their_time for our_time, their_time in pairs if their_time is not None]
    return [row(case, *found) for case, *found in zip(cases, shares, ratios, strict=True)]


def row(case: Case, shares: list[float], ratios: list[float]) -> dict[str, object]:
    """One line of the table."""
    share = statistics.median(shares)
    ratio = statistics.median(ratios) if ratios else None
    failed = []
    if case.step_bar and share > STEP_BAR:
        failed.append(f"{100 * share:.2f} % of the step, bar {100 * STEP_BAR:g} %")
    if ratio is not None and ratio > MONAI_BAR:
        failed.append(f"{ratio:.2f} x MONAI's, bar {MONAI_BAR:g}")
    return {
        "loss": case.label,
        "share_of_step": round(share, 5),
        "share_of_step_quartiles": quartiles(shares, 5),
        "step_bar": STEP_BAR if case.step_bar else None,
        "monai": case.rival[0] if case.rival else None,
        "ratio_to_monai": None if ratio is None else round(ratio, 3),
        "ratio_to_monai_quartiles": quartiles(ratios, 3) if ratios else None,
        "failed": failed,
    }


def quartiles(values: list[float], digits: int) -> list[float]:
    """First and third; of a single value, itself twice."""
    if len(values) == 1:
        values = values * 2
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [round(first, digits), round(third, digits)]
