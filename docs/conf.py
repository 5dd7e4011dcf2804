"""The site: `make docs` writes it to docs/_build/html."""

import re
from collections.abc import Mapping, Sequence
from math import isinf
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx_gallery.scrapers import figure_rst

from robust.experiment.compose import compose
from robust.perturb.camera.equivalent import f_number_of_blur, iso_of_noise

ROWS = {"full_frame": 4000, "phone": 3000, "machine_vision": 960}  # of pixels on the sensors: 24 mm, 4.2 mm, 3.6 mm
NEAR = 0.3  # metres, of a scene in front of what the lenses are focused on


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


def fill_tables(_app: Sphinx, page: str, source: list[str]) -> None:
    """Puts what is computed into the pages, at the comments that ask for it."""
    if page == "perturbations":
        source[0] = source[0].replace("<!-- levels in ISO and f-number -->", levels_in_settings())


def levels_in_settings() -> str:
    """Tables, in Markdown, of the seeds' levels of noise as ISO and of blur as f-number."""
    of_noise, of_blur = ((0.001, 0.01325, 0.0255, 0.03775, 0.05), (0.04, 0.28, 0.52, 0.76, 1.0))
    noise = [head(["camera", "native pixels"], "ISO for noise of", of_noise)]
    blur = [head(["camera", "native pixels", "metres"], "f-number for blur of", of_blur)]
    for name, rows in ROWS.items():
        camera = compose(["evaluation=capture", f"camera={name}"]).camera.plain()
        own = camera["native_pixels"]
        sizes = {"1": 1, f"{own:g}": own} | {f"all, {side} high": (rows / side) ** 2 for side in (224, 64, 32)}
        for size, native in sizes.items():
            settings = {"sensor": camera["sensor"], "lens": camera["lens"], "native_pixels": native}
            isos = [iso_of_noise(one, **settings) for one in of_noise]
            noise.append(line([name, size, *(short(one.setting) if one.exact else "-" for one in isos)]))
            for away in (camera["distance"], NEAR):
                found = [f_number_of_blur(one, widest=camera["widest"], distance=away, **settings) for one in of_blur]
                said = [f"{one.setting:.2g}" if one.exact else "-" if isinf(one.setting) else "wider" for one in found]
                blur.append(line([name, size, f"{away:g}", *said]))
    return "\n\n".join("\n".join(table) for table in (noise, blur))


def head(what: Sequence[str], asked: str, levels: Sequence[float]) -> str:
    """The first two lines of such a table."""
    titles = line([*what, f"{asked} {levels[0]:g}", *(f"{level:g}" for level in levels[1:])])
    return f"{titles}\n{'| --- ' * (len(levels) + len(what))}|"


def line(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def short(iso: float) -> str:
    """Two digits of an ISO: 7.8 M, 480 k."""
    rounded = float(f"{iso:.2g}")
    scale, unit = next((one for one in ((1e6, " M"), (1e3, " k")) if rounded >= one[0]), (1, ""))
    return f"{rounded / scale:g}{unit}"


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("source-read", fill_tables)
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
