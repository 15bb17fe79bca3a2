"""Names: the same organ in many spellings, and what only looks like it."""

from __future__ import annotations

import json

import pytest

from DosePredictLib.core.errors import InputError
from DosePredictLib.core.structures import BODY, OARS, Structure, StructureSet
from DosePredictLib.io.identify import identify
from DosePredictLib.io.names import load_names, match_names, names_of
from DosePredictLib.resources import resource


def drawn(*names, **where):
    import numpy as np

    def contour(x):
        return (np.array([(x - 1, -1, 0), (x + 1, -1, 0), (x, 1, 0)], dtype=float),)

    return StructureSet(tuple(Structure(name, contour(where.get(name, 0)), n) for n, name in enumerate(names)))


@pytest.mark.parametrize(
    ("roi", "name"),
    [
        ("Parotid_L", "Parotid_L"), ("PAROTID LT", "Parotid_L"), ("Lt Parotid", "Parotid_L"), ("left-parotid", "Parotid_L"),
        ("ParotidLeft", "Parotid_L"), ("PAROTIDL", "Parotid_L"), ("Parotid_R", "Parotid_R"), ("parotis re", "Parotid_R"),
        ("Parotis_links", "Parotid_L"), ("Parotide gauche", "Parotid_L"), ("Parotide Dx", "Parotid_R"),
        ("Parótida derecha", "Parotid_R"), ("Ohrspeicheldrüse li.", "Parotid_L"), ("Glnd_Parotid_L", "Parotid_L"),
        ("BRAINSTEM", "Brainstem"), ("Brain Stem", "Brainstem"), ("Hirnstamm", "Brainstem"), ("Tronc cérébral", "Brainstem"),
        ("spinal_cord", "SpinalCord"), ("SpinalCord", "SpinalCord"), ("Cord", "SpinalCord"), ("Rückenmark", "SpinalCord"),
        ("Rueckenmark", "SpinalCord"), ("Myelon", "SpinalCord"), ("Moelle épinière", "SpinalCord"), ("Ösophagus", "Esophagus"),
        ("oesophagus", "Esophagus"), ("Esofago", "Esophagus"), ("Larynx", "Larynx"), ("Kehlkopf", "Larynx"),
        ("Mandible", "Bone_Mandible"), ("Unterkiefer", "Bone_Mandible"), ("Bone_Mandible", "Bone_Mandible"), ("BODY", "External"),
        ("External", "External"), ("Lt Lung", "Lung_L"), ("Femoral Head RT", "Femur_Head_R"), ("Harnblase", "Bladder"),
        ("Optic Nerve L", "OpticNrv_L"), ("OpticChiasm", "OpticChiasm"),
    ],
)  # fmt: skip
def test_one_organ_is_known_by_many_names(roi, name):
    match = load_names().look_up(roi)
    assert match.accepted and match.model_name == name


@pytest.mark.parametrize(
    "roi",
    [
        "SpinalCord_PRV05", "PRV Cord", "SpinalCord_05", "BrainStem_03", "Parotid_L-PTV", "Parotid_L_opt", "optBladder",
        "zParotid_L", "Ring_Parotid_L", "Parotid_L^Exp", "~Parotid_L", "Spinal canal", "Larynx_SG", "Parotid", "Brainstem L",
        "CordPRV", "Parotids", "PTV70", "CTV_Larynx", "GTV Esophagus", "Skin", "Lens", "Cord+5mm", "Oral avoidance",
        "Dose 50[Gy]",
    ],
)  # fmt: skip
def test_what_only_looks_like_an_organ_is_never_accepted(roi):
    assert not load_names().look_up(roi).accepted


@pytest.mark.parametrize("roi", ["Esophgus", "Brainstm", "Mandibel", "Parotd L", "Spinl Cord"])
def test_a_slip_of_the_pen_is_suggested_and_not_taken(roi):
    match = load_names().look_up(roi)
    assert match.how == "suggestion" and match.model_name in OARS and 0.8 <= match.confidence < 1
    assert names_of(match_names(drawn(roi))) == {}


def test_the_exact_spelling_wins_over_a_synonym():
    found = identify(drawn("Left Parotid gland", "Parotid_L"))
    assert found.names["Parotid_L"] == "Parotid_L"
    assert any("could all be Parotid_L; Parotid_L is taken" in w for w in found.warnings)


def test_of_two_synonyms_neither_is_taken():
    found = identify(drawn("Parotis links", "Left Parotid gland"))
    assert "Parotid_L" not in found.names
    assert any("Parotis links and Left Parotid gland could all be Parotid_L; name the right one" in w for w in found.warnings)


def test_an_empty_roi_claims_no_name():
    structures = StructureSet((Structure("Larynx"), *drawn("Kehlkopf")))
    assert identify(structures).names["Larynx"] == "Kehlkopf"


def test_the_user_is_obeyed_over_exact_names():
    found = identify(drawn("Parotid_L", "Strange", "Larynx"), {"Parotid_L": "Strange", "Larynx": ""})
    assert found.names == {"Parotid_L": "Strange"}


def test_a_wish_for_a_roi_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="Larynx is to be the ROI 'Kehl', which the structure set has not; it has Larynx"):
        match_names(drawn("Larynx"), {"Larynx": "Kehl"})


def test_the_body_is_found_by_its_type_where_its_name_says_nothing():
    (roi,) = drawn("Umriss")
    structures = StructureSet((Structure("Umriss", roi.contours, 1, interpreted_type="EXTERNAL"),))
    assert identify(structures).names[BODY] == "Umriss"


def test_exchanged_sides_are_noticed():
    assert not any("exchanged" in w for w in identify(drawn("Parotid_L", "Parotid_R", Parotid_L=30, Parotid_R=-30)).warnings)
    (warning,) = [w for w in identify(drawn("Parotid_L", "Parotid_R", Parotid_L=-30, Parotid_R=30)).warnings if "exchanged" in w]
    assert warning.startswith("Parotid_L lies to the right of Parotid_R")


def test_one_organ_on_the_wrong_side_of_the_body_is_noticed():
    found = identify(drawn("BODY", "Parotid_L", BODY=100, Parotid_L=70))
    assert any("Parotid_L is named a left organ and lies in the right half of BODY" in w for w in found.warnings)


def test_the_shipped_tables_know_every_name_the_models_ask_for():
    table = load_names()
    assert set(table.official.values()) >= {BODY, *OARS}


def test_no_synonym_is_promised_to_two_organs():
    promised: dict[tuple[str, str], str] = {}
    for file in resource("StructureNames").glob("*.json"):
        table = json.loads(file.read_text(encoding="utf-8"))
        for kind in ("single", "paired"):
            for name, synonyms in table[kind].items():
                for synonym in {s.lower() for s in synonyms}:
                    assert promised.setdefault((kind, synonym), name) == name


def test_a_broken_table_is_refused_by_its_name(tmp_path):
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(InputError, match=r"own\.json"):
        load_names(tmp_path)
