"""A batch split over two processes has the loss and the gradients of the whole batch."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.train.losses.batches import CASES, name_of
from train.losses import build_loss

RANKS = 2
Found = dict[str, tuple[torch.Tensor, torch.Tensor]]


def whole_batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(2, 1, 6, 6, generator=generator, dtype=torch.float64)
    target = (torch.rand(logits.shape, generator=generator) < torch.tensor([0.4, 0.05])[:, None, None, None]).double()
    return logits, target


def values_and_gradients(logits: torch.Tensor, target: torch.Tensor) -> Found:
    found = {}
    for options in CASES:
        leaf = logits.clone().requires_grad_()
        value = build_loss(options)(leaf, target)
        value.backward()
        assert leaf.grad is not None
        found[name_of(options)] = (value.detach(), leaf.grad)
    return found


def one_rank(rank: int, folder: str) -> Found:
    """Its share of the batch, as in data-parallel training."""
    rendezvous = f"file://{folder}/ranks"
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=RANKS, timeout=timedelta(seconds=120))
    try:
        found = values_and_gradients(*(part[rank : rank + 1] for part in whole_batch()))
    finally:
        dist.destroy_process_group()
    torch.save(found, Path(folder) / f"{rank}.pt")
    return found


def test_two_ranks_give_the_result_of_one_process(tmp_path: Path) -> None:
    other = mp.spawn(second_rank, args=(str(tmp_path),), nprocs=1, join=False)
    first = one_rank(0, str(tmp_path))
    assert other is not None
    other.join()
    second = torch.load(tmp_path / "1.pt")
    for name, (value, gradient) in values_and_gradients(*whole_batch()).items():
        # The trainer averages over the ranks.
        torch.testing.assert_close((first[name][0] + second[name][0]) / RANKS, value, msg=name)
        torch.testing.assert_close(torch.cat([first[name][1], second[name][1]]) / RANKS, gradient, msg=name)


def second_rank(index: int, folder: str) -> None:
    """The second rank; `spawn` counts its own processes from 0."""
    one_rank(index + 1, folder)
