"""The few collectives that a training needs; with one process each of them does nothing."""

from __future__ import annotations

import json

import torch
import torch.distributed as dist
from torch import Tensor, nn


def rank() -> int:
    """This process's number among the workers."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of workers."""
    return dist.get_world_size() if dist.is_initialized() else 1


@torch.no_grad()
def broadcast_buffers(module: nn.Module) -> None:
    """Give every worker rank 0's buffers: each has seen other images, so their BatchNorm statistics differ."""
    if world_size() > 1:
        for buffer in module.buffers():
            dist.broadcast(buffer, src=0)


def sum_over_workers(values: list[float], device: torch.device) -> list[float]:
    """Each value's sum over the workers; every worker gets the same sums, and waits for the others."""
    if world_size() == 1:
        return values
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return sums.tolist()


def gather_texts(texts: list[str], device: torch.device) -> list[str]:
    """Every worker's texts in the order of the workers, on each of them; they may have any number."""
    if world_size() == 1:
        return texts
    lines = "".join(f"{json.dumps(text)}\n" for text in texts).encode()
    gathered = gather_rows(torch.frombuffer(bytearray(lines), dtype=torch.uint8).to(device) if lines else
                           torch.zeros(0, dtype=torch.uint8, device=device))
    return [json.loads(line) for line in bytes(gathered.tolist()).splitlines()]


def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate every worker's [n_i, ...] rows in the order of the workers; n_i may differ."""
    if world_size() == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    padded = rows.new_zeros(int(max(counts)), *rows.shape[1:])
    padded[: len(rows)] = rows
    gathered = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(gathered, padded)
    return torch.cat([part[: int(count)] for part, count in zip(gathered, counts, strict=True)])
