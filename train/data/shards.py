"""One process's part of a stream of batches."""

from __future__ import annotations

from collections.abc import Iterator

from torch.utils.data import Sampler


class Shard(Sampler[int]):
    """Deals the positions of each batch out: process r of n takes the r-th part of it.

    The batches of all processes together are those of one process, whatever the number of processes.

    Args:
        positions: of whole batches.
        batch_size: of all processes together; `count` divides it.
        rank: of this process, from 0.
        count: of processes.
    """

    def __init__(self, positions: Sampler[int], *, batch_size: int, rank: int, count: int) -> None:
        if batch_size % count:
            raise ValueError(f"{count} processes cannot share a batch of {batch_size}")
        self.positions, self.batch_size, self.rank, self.count = positions, batch_size, rank, count

    def __len__(self) -> int:
        return len(self.positions) // self.count  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[int]:
        part = self.batch_size // self.count
        for index, position in enumerate(self.positions):
            if index % self.batch_size // part == self.rank:
                yield position
