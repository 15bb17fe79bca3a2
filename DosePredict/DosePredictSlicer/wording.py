"""What the library says for the command line, said for the panel."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

FOR_PANEL = {
    r'(give one for each target|name the target and its dose), e\.g\. --prescription ("[^"]*"|\S+?)=70': _(
        "type the dose of each target into the column Gy"
    ),
    r"give it with --prescription": _("type it into the column Gy"),
    r"add --outside-domain": _("tick 'Outside the domain too' under Advanced"),
    r"name it with --reference": _("choose it"),
    r"name the planned dose with --reference": _("choose the planned dose"),
    r"leave --grid out for that of the planned dose": _("choose that of the planned dose under Advanced"),
    r"use --device auto or cpu": _("choose another device under Advanced"),
    r"Try --device cpu": _("Choose the CPU under Advanced"),
}


def for_panel(sentence: str) -> str:
    """The same sentence with the panel's names instead of options of the command line."""
    for option, words in FOR_PANEL.items():
        sentence = re.sub(option, words, sentence)
    return sentence
