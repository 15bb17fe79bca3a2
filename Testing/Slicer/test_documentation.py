"""What docs/slicer.md says is so: its example runs, the sentences it explains are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import slicer.util

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "slicer.md"


def test_the_example_predicts_a_dose(patient, worker, untrained, capsys: pytest.CaptureFixture[str]):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    assert len(example.splitlines()) <= 10
    variables = {"getNode": slicer.util.getNode}
    exec(example.replace("samples=4", 'model="tiny"'), variables)
    assert slicer.util.arrayFromVolume(variables["dose"]).shape == slicer.util.arrayFromVolume(patient.planned).shape
    assert "'metric'" in capsys.readouterr().out
    variables["result"].remove()


def test_every_sentence_that_is_explained_is_one_of_the_program():
    table = re.search(r"\| the panel says .*?\n\n", PAGE.read_text("utf-8"), flags=re.DOTALL)[0]
    sentences = [said for row in table.strip().splitlines()[2:] for said in re.findall(r"\*(.+?)\*", row.split("|")[1])]
    files = [*(REPOSITORY / "DosePredict").rglob("*.py"), *(REPOSITORY / "DosePredictLib").rglob("*.py")]
    program = re.sub(r'"\s*f?"', "", "\n".join(file.read_text("utf-8") for file in files))
    parts = [part.strip() for said in sentences for part in said.split("...") if len(part.strip()) > 6]
    assert len(parts) > 15
    assert [part for part in parts if part not in program] == []
