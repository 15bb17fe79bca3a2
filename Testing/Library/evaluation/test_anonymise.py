"""What an anonymous report hides, and what it must leave alone."""

from __future__ import annotations

import pytest

from DosePredictLib.evaluation.anonymise import Veil

VEIL = Veil({"Doe^Jane", "Doe", "Jane", "MRN-0081", "plan final", "F", "12"})


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("PTV70 Doe", "PTV70 (hidden)"),
        ("PTV_jane_70", "PTV_(hidden)_70"),
        ("The dose MRN-0081 is read.", "The dose (hidden) is read."),
        ("The plan is plan final.", "The plan is (hidden)."),
        ("The dose RD.1.2.840.10008.5.dcm is read.", "The dose (file) is read."),
        ("Series 1.2.840.10008.5.1.4.1.1.2 is read.", "Series (UID) is read."),
        ("Larynx 20260314", "Larynx (date)"),
        ("Larynx 2026-03-14", "Larynx (date)"),
        ("Larynx 14.03.2026", "Larynx (date)"),
    ],
)
def test_names_numbers_files_uids_and_dates_are_hidden(text: str, hidden: str) -> None:
    assert VEIL.text(text) == hidden


@pytest.mark.parametrize(
    "text",
    ["Doering's tissue", "PTV70 70 Gy, 12 contours", "D0.03cc 2.5 Gy of 20000000 voxels", "3.90625 x 2.5 mm", "Field F 12"],
)
def test_words_that_only_resemble_a_secret_and_numbers_of_the_report_stay(text: str) -> None:
    assert VEIL.text(text) == text


def test_without_secrets_nothing_is_hidden() -> None:
    assert Veil().text("Doe RD.dcm 20260314") == "Doe RD.dcm 20260314"
