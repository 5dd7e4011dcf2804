"""Natural adversarial examples: photographs of ImageNet's classes that networks get wrong (arXiv 1907.07174)."""

from dataclasses import dataclass
from pathlib import Path

import torch

from robust.data.folder import read_files
from robust.data.images import ImageSet, Splits
from robust.data.listing import Listing, list_classes
from robust.data.picture import Style
from robust.errors import notify


@dataclass(frozen=True)
class NaturalAdversarial:
    """The images of the classes that a data set shares, labelled as there; these classes, int64; a digest of all."""

    images: ImageSet
    shared: torch.Tensor
    digest: str


def natural_adversarial(path: str, splits: Splits, *, cache_dir: str | None = None) -> NaturalAdversarial:
    """The images in `path`/<wnid>/* whose classes `splits` has too, as large as its own, decoded as those of a folder.

    Raises FileNotFoundError for a folder that is not there, ValueError where no wnid is known or none is shared, or an
    image cannot be read.
    """
    if splits.wnids is None:
        raise ValueError(
            "`evaluation.natural_adversarial` needs classes whose wnids are known: those of `data=tiny_imagenet`, "
            "`data=imagenet`, or a `data=folder` whose class folders are named by them (n01443537); got others."
        )
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(
            f"`evaluation.natural_adversarial` must be a folder of <wnid>/<image>, as ImageNet-A is published; {root} "
            "is not there."
        )
    listing = list_classes(root, expected="Expected <wnid>/<image>")
    found = listing.classes
    shared = [label for label, wnid in enumerate(splits.wnids) if wnid in found]
    if not shared:
        raise ValueError(
            f"`evaluation.natural_adversarial` must hold classes of the data; none of the {len(found)} in {root} "
            f"(such as {next(iter(found))}) is among its wnids (such as {splits.wnids[0]})."
        )
    channels, size, _ = splits.test.shape
    chosen = {splits.wnids[label]: found[splits.wnids[label]] for label in shared}
    listings, cache = {"test": Listing(chosen, listing.skipped)}, Path(cache_dir) if cache_dir else None
    images, digest, notes = read_files(root, listings, Style(size, channels), cache)
    for note in notes:
        notify(note)
    counts = torch.tensor([len(group) for group in chosen.values()])
    labels = torch.tensor(shared).repeat_interleave(counts)
    return NaturalAdversarial(
        ImageSet(images["test"], labels, splits.test.classes, background=splits.test.background),
        torch.tensor(shared),
        f"{digest} {splits.digest}",
    )
