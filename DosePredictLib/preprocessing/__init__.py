"""A case to the named channels a network sees; numpy and SimpleITK, no torch."""
