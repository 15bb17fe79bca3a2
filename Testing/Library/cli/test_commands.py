"""The command line as its user sees it: one sentence for what is wrong, exit code 2, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from DosePredictLib import registry
from DosePredictLib.cli import main as cli
from DosePredictLib.cli.main import main
from DosePredictLib.core import InputError, OutputError
from DosePredictLib.worker.protocol import JobFolder

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models, logs and job folders of the test only."""
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    (tmp_path / "jobs").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "jobs"))


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A model whose weights are what its card says, though no network can use them."""
    folder = tmp_path / "models" / "paper"
    folder.mkdir(parents=True)
    (folder / registry.WEIGHTS).write_bytes(b"not really weights")
    card = {"id": "paper", "version": "1", "title": "A paper model", "weights_sha256": registry.sha256(folder / registry.WEIGHTS)}
    (folder / registry.CARD).write_text(json.dumps(card))
    return "paper"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A folder without any DICOM."""
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "notes.txt").write_text("no image")
    return folder


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence on stderr of a command that must end with exit code 2."""
    assert main(words) == 2
    printed = capsys.readouterr()
    lines = printed.err.strip().splitlines()
    assert printed.out == "" and lines[-1].startswith("dosepredict: ") and lines[-1].endswith(".")
    assert not [line for line in lines if "Traceback" in line]
    return lines[-1]


def test_a_case_that_is_not_there_is_refused(tmp_path, capsys) -> None:
    assert "nowhere" in refused(["predict", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out").exists()


def test_an_unknown_model_is_refused_and_the_known_ones_are_named(tmp_path, case, model, capsys) -> None:
    sentence = refused(["predict", str(case), "--out", str(tmp_path / "out"), "--model", "magic"], capsys)
    assert "magic" in sentence and model in sentence and not (tmp_path / "out").exists()


def test_weights_that_are_not_those_of_their_card_are_refused(tmp_path, case, model, capsys) -> None:
    (tmp_path / "models" / model / registry.WEIGHTS).write_bytes(b"exchanged")
    assert "SHA-256" in refused(["predict", str(case), "--out", str(tmp_path / "out"), "--model", model], capsys)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_ct_is_refused_by_the_background_process(tmp_path, case, model, capsys) -> None:
    words = ["predict", str(case), "--out", str(tmp_path / "out"), "--model", model, "--progress", "none"]
    assert "CT" in refused(words, capsys)
    assert not (tmp_path / "out").exists() and list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.parametrize("name", ["file/out", "file"], ids=["below a file", "a file"])
def test_an_output_folder_that_cannot_be_is_refused(tmp_path, case, model, capsys, name) -> None:
    (tmp_path / "file").write_text("I am a file")
    assert "cannot be written" in refused(["predict", str(case), "--out", str(tmp_path / name), "--model", model], capsys)
    assert (tmp_path / "file").read_text() == "I am a file"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_one_may_not_write_to_is_refused(tmp_path, case, model, capsys) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written" in refused(["predict", str(case), "--out", str(tmp_path / "locked"), "--model", model], capsys)


def test_the_files_of_an_earlier_prediction_are_never_mixed_with_new_ones(tmp_path, case, model, capsys) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text("{}")
    assert "already" in refused(["predict", str(case), "--out", str(tmp_path / "out"), "--model", model], capsys)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]


@pytest.mark.parametrize("word", ["PTV70", "PTV70=", "=70", "PTV70=much"])
def test_a_prescription_that_cannot_be_read_is_refused(tmp_path, case, model, capsys, word) -> None:
    assert word in refused(["predict", str(case), "--out", str(tmp_path / "out"), "--prescription", word], capsys)


@pytest.mark.parametrize("content", ["not json", "[1]", '{"Parotid_L": 3}'])
def test_a_structure_map_that_cannot_be_read_is_refused(tmp_path, case, capsys, content) -> None:
    (tmp_path / "map.json").write_text(content)
    words = ["predict", str(case), "--out", str(tmp_path / "out"), "--structures", str(tmp_path / "map.json")]
    assert "map.json" in refused(words, capsys)


@pytest.mark.parametrize(
    "words", [["--grid", "huge"], ["--grid", "99"], ["--steps", "0"], ["--samples", "x"], ["--device", "tpu"]]
)
def test_options_that_make_no_sense_are_refused(tmp_path, case, words) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(case), "--out", str(tmp_path / "out"), *words])
    assert ended.value.code == 2 and not (tmp_path / "out").exists()


def test_a_fault_of_the_program_ends_in_one_sentence_and_a_log_without_values(tmp_path, capsys, monkeypatch) -> None:
    name = "Doe^Jane"

    def fail(options) -> int:
        raise KeyError(name)

    monkeypatch.setattr("DosePredictLib.cli.info.run", fail)
    assert main(["info"]) == 1
    sentence = capsys.readouterr().err
    log = next((tmp_path / "data" / "dosepredict" / "logs").iterdir())
    assert len(sentence.splitlines()) == 1 and str(log) in sentence
    assert "KeyError" in log.read_text() and name not in sentence + log.read_text()


def test_models_are_listed_shown_and_verified(model, capsys, tmp_path) -> None:
    assert main(["models"]) == 0
    listed = capsys.readouterr().out
    assert f"{model:<14} 1        imported  A paper model" in listed
    shipped = registry.find(registry.DEFAULT_MODEL)
    assert f"planned dose, {shipped.megabytes:.1f} MB, SHA-256 {shipped.card['weights_sha256'][:12]}; dose score" in listed
    assert main(["models", "show", model]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "A paper model"
    assert main(["models", "verify"]) == 0
    (tmp_path / "models" / model / registry.WEIGHTS).write_bytes(b"damaged")
    assert main(["models", "verify"]) == 2


def test_a_model_is_imported_whole_and_only_once(model, capsys, tmp_path, monkeypatch) -> None:
    source = tmp_path / "models" / model
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path / "elsewhere"))
    assert main(["models", "import", str(source / registry.CARD)]) == 0
    registry.verify(registry.find(model))
    assert main(["models", "import", str(source)]) == 2
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == [model]


def test_a_model_card_cannot_place_files_elsewhere(model, tmp_path, monkeypatch) -> None:
    card = tmp_path / "models" / model / registry.CARD
    card.write_text(json.dumps(json.loads(card.read_text()) | {"id": "../../elsewhere"}))
    monkeypatch.setenv("DOSEPREDICT_MODELS", str(tmp_path / "own"))
    assert main(["models", "import", str(card)]) == 2 and not (tmp_path / "own").exists()


def test_info_is_json_without_names_of_people_or_folders(capsys, model) -> None:
    assert main(["info", "--json"]) == 0
    printed = capsys.readouterr().out
    assert {"dosepredict", "python", "packages", "devices", "models"} <= set(json.loads(printed))
    assert str(Path.home()) not in printed and str(REPOSITORY) not in printed


def test_help_comes_at_once_and_names_every_command() -> None:
    began = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-m", "DosePredictLib.cli.main", "--help"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert time.monotonic() - began < 2  # 0.1 s where the machine is idle
    assert all(name in result.stdout for name in cli.COMMANDS) and result.returncode == 0


def test_results_are_published_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    from DosePredictLib.cli import running

    results, out = tmp_path / "results", tmp_path / "out"
    results.mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        (results / name).write_text(name)
    rename, calls = os.replace, []

    def fail_at_the_last(source, target) -> None:
        calls.append(target)
        if len(calls) == 3:
            raise OSError("disk full")
        rename(source, target)

    monkeypatch.setattr("os.replace", fail_at_the_last)
    with pytest.raises(OSError, match="disk full"):
        running.publish(results, out)
    assert list(out.iterdir()) == []
    monkeypatch.undo()
    assert [path.name for path in running.publish(results, out)] == ["a.txt", "b.txt", "c.txt"]


@pytest.mark.parametrize(
    ("kind", "raised"), [("InputError", InputError), ("OutputError", OutputError), ("RequestError", InputError)]
)
def test_the_error_of_the_worker_is_the_error_of_the_command(tmp_path, kind, raised) -> None:
    from DosePredictLib.cli import running
    from DosePredictLib.worker.protocol import Outcome

    with pytest.raises(raised, match="the reason"):
        running._raise_unless_done(Outcome("failed", kind, "the reason"), JobFolder(tmp_path))


def test_a_demo_never_removes_what_it_did_not_make(tmp_path, model, capsys) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    assert "something else" in refused(["demo", "--out", str(tmp_path / "thesis"), "--model", model], capsys)
    assert (tmp_path / "thesis" / "chapter1.tex").exists()


def test_ctrl_c_while_the_command_line_is_read_is_one_sentence(monkeypatch, capsys):
    def interrupted(words):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "parser", interrupted)
    assert main(["models"]) == 3
    assert capsys.readouterr().err == "dosepredict: Cancelled; nothing was written.\n"
