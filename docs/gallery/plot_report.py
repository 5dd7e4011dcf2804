"""
A report's figures
==================

Three small models are trained on digits, measured, and compared: what `robust report` draws.
"""

import tempfile
from pathlib import Path

from robust.experiment.execute import execute
from robust.experiment.prepare import Preparation
from robust.report import sections
from robust.runs import collect

# %%
# Three runs, each in a folder of its own: what `robust train -m perturb=noise,blur` makes.

place = tempfile.mkdtemp()
settings = [f"runs_dir={place}", "trainer.max_epochs=5", "parent.trainer.max_epochs=5", "evaluation=camera"]
settings += ["evaluation.trials=2", "trainer.progress=false"]
preparation = Preparation()
for words in (["technique=natural"], ["perturb=noise"], ["perturb=blur"]):
    execute(preparation.prepare([*words, *settings]))

# %%
# Their rows, and the figures made from them.

folders = sorted(path for path in Path(place).iterdir() if path.is_dir())
rows = collect(folders)
figures = {
    drawing.caption: drawing.figure
    for section in sections(folders, rows)
    for name, drawing in section.drawings.items()
    if not name.startswith("samples")  # the gallery of perturbations shows such
}
