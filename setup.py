"""What is in the package beside Python: the choices, which a checkout keeps beside `robust/`, and a study in its own
`conf`. All else is in pyproject.toml."""

from setuptools import find_packages, setup

CHOICES = {"robust.conf": "conf", "robust.conf.sweep": "sweeps"}

setup(
    packages=[*find_packages(include=["robust", "robust.*"]), "hydra_plugins", *CHOICES],
    package_dir=CHOICES,
    package_data={
        "": ["py.typed", "page.*", "*.yaml", "conf/**/*.yaml"],
        "robust.conf": ["**/*.yaml"],
        "robust.conf.sweep": ["*.yaml"],
    },
)
