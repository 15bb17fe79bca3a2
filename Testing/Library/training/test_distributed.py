"""Two processes take the steps that one would, and only one of them writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from DosePredictLib.core import InputError
from DosePredictLib.training import distributed

PROGRAM = Path(__file__).with_name("one_of_several.py")


@pytest.fixture(scope="module")
def outs(tmp_path_factory, repository) -> list[Path]:
    """Folders of a run of one process, and of both processes of a run of two."""
    alone, together = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together")
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for launch, out in ([], alone), (torchrun, together):
        subprocess.run([sys.executable, *launch, str(PROGRAM), str(out)], check=True, env=environment, timeout=300)
    return [alone / "0", together / "0", together / "1"]


@pytest.mark.parametrize("task", ("volumes", "slices"))
def test_two_processes_take_the_step_of_one_with_the_whole_batch(outs, task):
    alone, first, second = (torch.load(out / "gradients.pt", weights_only=True)[task] for out in outs)
    assert torch.equal(first, second)
    assert float((first - alone).norm()) < 0.01 * float(alone.norm())  # bfloat16


def test_only_the_leading_process_writes(outs):
    assert [(out / "checkpoint.pt").exists() for out in outs] == [True, True, False]


def test_shares_are_equal_and_leave_nothing_out(monkeypatch):
    monkeypatch.setattr(distributed, "count", lambda: 2)
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(list(distributed.share(range(6))))
    assert shares == [[0, 2, 4], [1, 3, 5]]
    with pytest.raises(InputError, match="5 cannot be shared equally by 2 processes"):
        distributed.share(range(5))
