"""DosePredict: radiotherapy dose prediction with diffusion models. Research only, not for treatment."""

__version__ = "0.1.0"
