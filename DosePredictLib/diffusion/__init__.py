"""The mathematics of diffusion: schedules and processes; no network, no patient."""
