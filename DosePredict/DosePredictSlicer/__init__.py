"""The parts of the Slicer module; the only code, beside the module itself, that may import slicer, qt, ctk or vtk."""
