"""Weights and a case to a dose."""
