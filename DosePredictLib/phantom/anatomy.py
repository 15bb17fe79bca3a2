"""The head-and-neck patient: solids in LPS mm, x to the left, y to the back, z to the head; the midline is x = 0.

Landmarks (z): vertex 157, orbits 58, ear canal 30, hard palate 8, chin -50, hyoid -48, glottis -72, cricoid -92,
sternal notch -130.
Sizes are those of an adult; organs and targets resemble those of OpenKBP in volume and place.
"""

from __future__ import annotations

import numpy as np

from .shapes import Above, Arch, Ellipsoid, Lifted, Shape, Tube

BOTTOM_MM, TOP_MM = -152.0, 160.0  # what the scan covers
LOWEST, HIGHEST = BOTTOM_MM - 10, TOP_MM + 10


def both(shape: Tube | Ellipsoid) -> Shape:
    """The solid and its mirror image."""
    return shape | shape.mirrored()


def along(course: Tube, start: float, end: float, offset: tuple[float, float], half_axes: tuple[float, float]) -> Tube:
    """A tube of constant section that follows another one."""
    heights = np.linspace(start, end, max(3, int((end - start) / 10)))
    centres = np.array([course.at(float(z)) for z in heights])[:, :2] + offset
    return Tube(tuple((float(z), float(x), float(y), *half_axes) for z, (x, y) in zip(heights, centres, strict=True)))


# --- the body -------------------------------------------------------------------------------------------------------

CRANIUM = Ellipsoid((0, 5, 75), (76, 96, 82), power=2.2)
FACE = Tube(
    ((-72, 0, -22, 12, 14), (-58, 0, -35, 30, 32), (-50, 0, -39, 48, 49), (-30, 0, -37, 57, 54), (0, 0, -33, 68, 59),
     (25, 0, -29, 73, 63), (60, 0, -20, 72, 68), (100, 0, -8, 66, 72)), power=2.3,
)  # fmt: skip
NOSE = Ellipsoid((0, -93, 24), (14, 20, 24))
EARS = both(Ellipsoid((82, 20, 32), (7, 13, 29)))
NECK = Tube(
    ((LOWEST, 0, 24, 80, 76), (-130, 0, 18, 68, 66), (-105, 0, 14, 60, 61), (-60, 0, 14, 59, 61), (-20, 0, 19, 64, 62),
     (30, 0, 25, 67, 66)), power=2.2,
)  # fmt: skip
SHOULDERS = Tube(
    ((LOWEST, 0, 27, 218, 90), (-150, 0, 26, 212, 86), (-132, 0, 24, 182, 74), (-116, 0, 24, 132, 62), (-100, 0, 26, 82, 50),
     (-84, 0, 26, 46, 36), (-62, 0, 24, 10, 8)), power=2.5,
)  # fmt: skip
HEAD = CRANIUM.blend(FACE, 12) | NOSE | EARS
BODY = HEAD.blend(NECK, 10).blend(SHOULDERS, 14)

# --- axis of the body -----------------------------------------------------------------------------------------------

SPINAL_CORD = Tube(
    ((LOWEST, 0, 54, 5.0, 4.2), (-150, 0, 49, 5.0, 4.2), (-120, 0, 37, 6.0, 4.4), (-90, 0, 27, 6.4, 4.6), (-60, 0, 23, 6.4, 4.6),
     (-20, 0, 20, 6.0, 4.6), (14, 0, 17, 6.0, 5.2)),
)  # fmt: skip
CANAL = Tube((*((z, x, y, a + 4.5, b + 4) for z, x, y, a, b in SPINAL_CORD.stations), (30, 0, 15, 13, 11)))
BRAINSTEM = Tube(
    ((14, 0, 16, 7, 6.5), (24, 0, 13, 10, 9), (38, 0, 9, 17, 14.5), (50, 0, 6, 17, 14), (60, 0, 5, 15, 11), (66, 0, 5, 8, 6))
)
VERTEBRAE = tuple(
    (z, z + 13.0) for z in np.arange(LOWEST + 4, 0, 17.5).tolist()
)  # bottom and top of each; 4.5 mm of disc between

# --- organs at risk -------------------------------------------------------------------------------------------------

PAROTID = Tube(
    ((-18, 53, 8, 3, 5), (-12, 53, 8, 8, 12), (0, 55, 6, 12, 17), (14, 57, 3, 13, 19), (26, 60, 0, 11, 18), (32, 61, -2, 4, 8)),
    power=2.2,
)  # fmt: skip
LARYNX = Tube(
    ((-91, 0, -25, 12, 12), (-84, 0, -26, 16, 14.5), (-72, 0, -27, 19, 16.5), (-60, 0, -26, 20, 15), (-52, 0, -25, 17, 12))
)
ESOPHAGUS = Tube(((LOWEST, 4, 18, 9, 6.5), (-130, 3, 8, 9, 6), (-110, 1, 0, 9, 5.5), (-92, 0, -5, 8.5, 5)))
RAMUS = Tube(((-36, 43, -26, 6, 12), (-20, 46, -23, 5, 16), (5, 50, -18, 4.2, 15), (24, 53, -13, 4.2, 12), (34, 55, -9, 5.5, 6)))
MANDIBLE = Arch((-46, -17), front=-80, bend=0.027, back=-24, half_thickness=4.6) | both(RAMUS)

# --- airway, from the nose down to the trachea ----------------------------------------------------------------------

NASAL_CAVITY = Tube(((9, 0, -55, 10, 26), (20, 0, -58, 13, 32), (40, 0, -58, 11, 30), (52, 0, -56, 8, 22)), power=2.6)
PHARYNX = Tube(
    ((-66, 0, -22, 5, 6), (-52, 0, -19, 12, 5), (-35, 0, -17, 13, 6), (-15, 0, -17, 12, 8), (5, 0, -19, 11, 9),
     (24, 0, -21, 12, 8), (32, 0, -22, 6, 4)),
)  # fmt: skip
TRACHEA = Tube(
    (
        (LOWEST, 0, 1, 9, 9),
        (-130, 0, -9, 9, 9),
        (-108, 0, -17, 9, 9),
        (-88, 0, -22, 8, 9),
        (-76, 0, -24, 4, 9),
        (-68, 0, -24, 3, 8),
    )
)
AIRWAY = PHARYNX | TRACHEA
SINUSES = (
    both(Ellipsoid((31, -56, 28), (13, 17, 17)))  # maxillary
    | Ellipsoid((0, -20, 52), (13, 11, 10))  # sphenoid
    | both(Ellipsoid((6, -55, 56), (4.5, 20, 9)))  # ethmoid
)

# --- targets: carcinoma of the right tongue base with nodes of the right level II, both necks elective ----------------

GROSS_TUMOUR = Ellipsoid((-18, -26, -24), (28, 26, 37)).blend(Ellipsoid((-45, 6, -34), (19, 21, 32)), 6)
ELECTIVE_NECK = Tube(
    ((-128, 40, 6, 10, 9), (-120, 41, 4, 19, 17), (-92, 41, 2, 20, 20), (-55, 43, 5, 20, 23),
     (-20, 45, 9, 17, 22), (2, 43, 10, 13, 16), (8, 42, 10, 8, 10)),
)  # fmt: skip
HIGH_RISK = GROSS_TUMOUR.grown(8) | (ELECTIVE_NECK.mirrored().grown(1) & Above(-88))
SKIN_MM = 5.0  # targets stay this far below it

BELOW_SKIN = BODY.grown(-SKIN_MM) & Lifted(BODY, SKIN_MM) & Lifted(BODY, -SKIN_MM)

PTV70 = GROSS_TUMOUR & BELOW_SKIN
PTV63 = (HIGH_RISK & BELOW_SKIN) - PTV70
PTV56 = (both(ELECTIVE_NECK) & BELOW_SKIN) - PTV70 - PTV63

PAROTID_L, PAROTID_R = PAROTID - MANDIBLE.grown(1), PAROTID.mirrored() - MANDIBLE.grown(1)
STRUCTURES: dict[str, Shape] = {
    "External": BODY, "PTV70": PTV70, "PTV63": PTV63, "PTV56": PTV56,
    "Brainstem": BRAINSTEM, "SpinalCord": SPINAL_CORD, "Parotid_R": PAROTID_R, "Parotid_L": PAROTID_L,
    "Esophagus": ESOPHAGUS, "Larynx": LARYNX, "Bone_Mandible": MANDIBLE,
}  # fmt: skip
PRESCRIPTION_GY = {"PTV70": 70.0, "PTV63": 63.0, "PTV56": 56.0}

# --- what the CT shows: painted in this order, (solid, HU) ------------------------------------------------------------

FAT, MUSCLE, BONE, MARROW, AIR = -95, 52, 950, 260, -1000
ABOVE_SKULL_BASE = Above(40, slope=-0.45)
BRAIN = CRANIUM.grown(-14) & ABOVE_SKULL_BASE
SKULL = (CRANIUM.grown(-6) & Above(37, slope=-0.45)) - BRAIN
SPINE = tuple(
    (solid, hu)
    for bottom, top in VERTEBRAE
    for solid, hu in (
        (along(CANAL, bottom, top, (0, -18), (15, 10)), BONE - 350),
        (along(CANAL, bottom + 1.5, top - 1.5, (0, -18), (13, 8)), MARROW),
        (along(CANAL, bottom, top, (0, 2), (16, 13)), BONE - 250),
        (along(CANAL, bottom, bottom + 7, (0, 25), (3.5, 15)), BONE - 450),
        (both(along(CANAL, bottom + 2, bottom + 9, (20, -6), (8, 5))), BONE - 500),
    )
)
STERNOMASTOID = Tube(((-118, 22, -24, 11, 6), (-90, 38, -12, 13, 9), (-40, 52, 14, 8, 13), (5, 58, 34, 6, 12)))
TRAPEZIUS = Tube(((LOWEST, 75, 72, 62, 18), (-110, 42, 62, 28, 12), (-50, 22, 62, 19, 9), (10, 20, 66, 16, 7)))
PARASPINAL = Tube(((LOWEST, 22, 74, 18, 16), (-100, 21, 46, 17, 17), (-40, 23, 42, 18, 17), (14, 24, 48, 17, 14)))
SCALENES = Tube(((LOWEST, 26, 36, 14, 15), (-100, 26, 16, 11, 12), (-55, 24, 14, 9, 10), (-30, 22, 12, 7, 7)))
PREVERTEBRAL = Tube(((-100, 0, -4, 22, 4), (-50, 0, -7, 22, 4.5), (10, 0, -9, 20, 4)))
MASSETER = Tube(((-28, 52, -28, 4, 15), (0, 58, -28, 7, 18), (26, 62, -32, 5, 14)))
PTERYGOID = Tube(((-15, 36, -18, 6, 12), (10, 38, -18, 8, 13), (28, 40, -16, 6, 10)))
WALL_OF_PHARYNX = Tube(((-60, 0, -20, 22, 12), (-35, 0, -18, 22, 12), (5, 0, -17, 20, 11), (26, 0, -18, 18, 10)))
TONGUE = Ellipsoid((0, -46, -20), (26, 34, 25))
MUSCLES = (
    (both(STERNOMASTOID), MUSCLE + 4), (both(TRAPEZIUS), MUSCLE), (both(PARASPINAL), MUSCLE - 2), (both(SCALENES), MUSCLE),
    (PREVERTEBRAL, MUSCLE), (TONGUE, MUSCLE + 8), (both(MASSETER), MUSCLE + 6), (both(PTERYGOID), MUSCLE + 4),
    (WALL_OF_PHARYNX, MUSCLE),
)  # fmt: skip
VESSELS = (
    (both(Tube(((LOWEST, 17, 2, 5, 5), (-100, 25, -4, 4, 4), (-20, 27, 4, 3.5, 3.5), (25, 26, 6, 3, 3)))), 175),  # carotid
    (both(Tube(((LOWEST, 27, -4, 7, 6), (-100, 33, -3, 7, 5), (-20, 33, 9, 5, 4.5), (20, 31, 13, 4, 4)))), 145),  # jugular
)
GLANDS = (
    (both(Ellipsoid((33, -30, -46), (11, 15, 13))), 45),  # submandibular
    (both(Ellipsoid((16, -17, -103), (9, 10, 21))), 115),  # thyroid
    (both(PAROTID), -12),
    (GROSS_TUMOUR.grown(-8), 78),
)
FACE_BONES = (
    (both(Ellipsoid((31, -56, 28), (15.5, 19.5, 19.5))), BONE - 350),
    (both(Tube(((20, 58, -44, 4, 12), (28, 63, -36, 3, 16), (34, 62, -40, 3, 10)))), BONE - 200),  # zygoma
    (Arch((2, 12), front=-84, bend=0.03, back=-40, half_thickness=5), BONE - 200),  # maxilla
    (Ellipsoid((0, -52, 9), (26, 30, 2.5)), BONE - 300),  # hard palate
    (Arch((-17, -7), front=-81, bend=0.03, back=-38, half_thickness=4.2), 1900),  # lower teeth
    (Arch((-7, 2), front=-83, bend=0.03, back=-40, half_thickness=4.2), 2000),  # upper teeth
    (Ellipsoid((0, -20, 52), (15.5, 13.5, 12)), BONE - 300),
    (both(Ellipsoid((34, 11, 33), (22, 9, 8))), BONE + 350),  # petrous bone
    (both(Ellipsoid((58, 34, 20), (10, 12, 18))), 320),  # mastoid
    (both(Ellipsoid((33, -66, 58), (18.5, 23, 18.5))), BONE - 400),
    (both(Ellipsoid((33, -67, 58), (17, 23, 17))), FAT),  # orbit
    (both(Ellipsoid((33, -76, 58), (12, 12, 12))), 12),
    (both(Ellipsoid((33, -86, 58), (4.5, 2.5, 4.5))), 75),  # lens
)
BONES = (
    (MANDIBLE, BONE),
    (MANDIBLE.grown(-2.2), MARROW + 120),
    (Tube(((-50, 0, -38, 20, 6), (-46, 0, -38, 20, 6))) - Tube(((-50, 0, -34, 17, 6), (-46, 0, -34, 17, 6))), 450),  # hyoid
    (both(Tube(((-138, 22, -38, 10, 8), (-128, 75, -18, 48, 7), (-118, 150, 8, 26, 8)))), BONE - 300),  # clavicle
    (both(Ellipsoid((172, 24, -150), (25, 25, 26))), MARROW + 60),  # head of humerus
    (both(Tube(((LOWEST, 128, 66, 34, 7), (-135, 140, 52, 26, 6), (-122, 150, 34, 14, 6)))), BONE - 350),  # scapula
    (both(Tube(((LOWEST, 62, 62, 34, 5), (-146, 52, 58, 26, 5)))), BONE - 350),  # ribs
)
LUNG_APICES = both(Ellipsoid((40, 30, -176), (36, 40, 42)))

CT_PAINT: tuple[tuple[Shape, float], ...] = (
    (BODY, 20),  # skin
    (BODY.grown(-2.5), FAT),
    (BODY.grown(-7), MUSCLE - 35),  # fat and muscle too fine to draw
    *MUSCLES, (LUNG_APICES.grown(3), MUSCLE), (LUNG_APICES, -800), *GLANDS, *VESSELS,
    (SKULL, BONE), (BRAIN, 36), (both(Ellipsoid((10, 0, 88), (6, 32, 14))), 8), *FACE_BONES, *SPINE,
    (CANAL, 12), (SPINAL_CORD, 38), (BRAINSTEM, 36), *BONES,
    (LARYNX, 60), (LARYNX - LARYNX.grown(-3), 190), (TRACHEA.grown(2.5), 60), (ESOPHAGUS, 32),
    (NASAL_CAVITY, -350), (both(Ellipsoid((6, -58, 28), (3.5, 26, 18))), AIR), (SINUSES, AIR + 20), (AIRWAY, AIR),
)  # fmt: skip
COUCH = Tube(((LOWEST, 0, 132, 235, 9), (HIGHEST, 0, 132, 235, 9)), power=8)
COUCH_PAINT: tuple[tuple[Shape, float], ...] = ((COUCH, -200), (COUCH.grown(-2), -940))
