"""A short run of the campaign in Testing/Robustness/faults.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).resolve().parents[2] / "Robustness" / "faults.py"


@pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and disks of Linux")
def test_killed_cancelled_or_starved_a_prediction_is_whole_or_absent_and_leaves_nothing() -> None:
    campaign = subprocess.run([sys.executable, str(CAMPAIGN), "--times", "2", "--seed", "5"], capture_output=True, text=True)
    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    assert campaign.stdout.count("| 2 |") >= 7
