"""The site: `make docs` writes it to docs/_build/html."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst


def take_figures(_: object, variables: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The matplotlib figures that a block of an example left in its mapping `figures`, each below its caption."""
    shown = []
    for caption, figure in variables["example_globals"].pop("figures", {}).items():
        path = next(variables["image_path_iterator"])
        figure.savefig(path, dpi=90)
        shown += [caption, figure_rst([path], settings["src_dir"], caption)]
    return "\n\n".join(shown)


def escape_stars(_app: Sphinx, _what: str, _name: str, _of: object, _options: object, lines: list[str]) -> None:
    """In docstrings a star is a star: paths and patterns have them, and nothing is emphasised."""
    lines[:] = [re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", line) for line in lines]


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", escape_stars)


project = "robust"
author = "the authors of robust"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_gallery.gen_gallery"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "gallery"]
myst_heading_anchors = 3
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_inherit_docstrings = False  # Lightning's are its own
default_role = "code"  # docstrings write `name` as Markdown does
suppress_warnings = ["config.cache"]  # take_figures cannot be pickled
html_theme = "pydata_sphinx_theme"
html_title = "robust"
html_theme_options = {
    "header_links_before_dropdown": 4,
    "navbar_align": "left",
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}
html_sidebars = {page.stem: [] for page in Path(__file__).parent.glob("*.md")}  # which have no pages below them
sphinx_gallery_conf = {
    "examples_dirs": str(Path(__file__).parent / "gallery"),
    "gallery_dirs": "gallery_built",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": [take_figures],
    "capture_repr": (),
    "show_signature": False,
    "download_all_examples": False,
    "abort_on_example_error": True,
}
