"""DVH, differences, gamma, goals, scores and the report."""
