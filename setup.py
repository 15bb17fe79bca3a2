"""All else is in pyproject.toml; here only that Resources/ travels inside the library."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["DosePredictLib", "DosePredictLib.*"]), "DosePredictLib._resources"],
    package_dir={"DosePredictLib._resources": "Resources"},
    package_data={"": ["*.html", "*.css", "*.json", "*.toml"], "DosePredictLib._resources": ["**/*"]},
)
