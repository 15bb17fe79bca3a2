"""What the library says for the command line, said for the panel."""

from __future__ import annotations

from slicer.i18n import tr as _

FOR_PANEL = {
    "give one for each target, e.g. --prescription PTV70=70": _("type it into the column Gy of the table of structures"),
    'name the target and its dose, e.g. --prescription "NAME"=70': _("type the target's dose into the column Gy"),
    "give it with --prescription": _("type it into the column Gy of the table of structures"),
    "add --outside-domain": _("tick 'Outside the domain too' under Advanced"),
    "use --device auto or cpu": _("choose another device under Advanced"),
    "Try --device cpu": _("Choose the CPU under Advanced"),
}


def for_panel(sentence: str) -> str:
    """The same sentence with the panel's names instead of options of the command line."""
    for option, words in FOR_PANEL.items():
        sentence = sentence.replace(option, words)
    return sentence
