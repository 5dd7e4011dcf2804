"""The site: `make docs` writes it to docs/_build/html."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst


def take_figures(_: object, variables: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The matplotlib figures that a block of an example left in its list `figures`."""
    paths = []
    for figure in variables["example_globals"].pop("figures", []):
        paths.append(next(variables["image_path_iterator"]))
        figure.savefig(paths[-1], dpi=110)
    return figure_rst(paths, settings["src_dir"])


project = "robust"
author = "the authors of robust"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_gallery.gen_gallery"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "gallery"]
myst_heading_anchors = 3
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
default_role = "code"  # docstrings write `name` as Markdown does
nitpicky = False
html_theme = "pydata_sphinx_theme"
html_title = "robust"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": True, "secondary_sidebar_items": ["page-toc"]}
html_sidebars = {"index": []}
sphinx_gallery_conf = {
    "examples_dirs": str(Path(__file__).parent / "gallery"),
    "gallery_dirs": "gallery_built",
    "filename_pattern": r"plot_",
    "image_scrapers": [take_figures],
    "show_signature": False,
    "download_all_examples": False,
    "abort_on_example_error": True,
}
