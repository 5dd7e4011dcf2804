"""The environment as an attacker: the worst of several draws of a perturbation."""

import torch
from torch import Tensor, nn

from robust.attack.gate import checked
from robust.attack.result import (
    AttackResult,
    check_classes,
    check_least,
    empty_result,
    margin,
)
from robust.models import ask, device_of
from robust.perturb import ImageRandom, Perturbation, key
from robust.progress import progressing


@checked
def worst_of(
    model: nn.Module,
    images: Tensor,
    classes: Tensor,
    *,
    perturbation: Perturbation,
    draws: int = 10,
    targeted: bool = False,
    seed: int = 0,
    numbers: Tensor | None = None,
    batch_size: int = 256,
    title: str | None = None,
) -> AttackResult:
    """Perturbs each image until it has the wanted prediction, at most `draws` times; what comes back is the draw that
    had it, or else came nearest to it (by the margin of the logits).

    `images` in [0, 1], shape (n, channels, height, width); `classes`, int64 of shape (n,). `steps` are draws, keyed by
    (seed, draw, number of the image), so that more of them find at least as much. Arguments, result and errors else as
    of `robust.attack.pgd`; no gradient is needed.
    """
    check_least(draws=(draws, 1), batch_size=(batch_size, 1))
    perturbation.try_out((images.shape[1], images.shape[2], images.shape[3]))
    classes, known = classes.cpu(), torch.arange(len(images)) if numbers is None else numbers.cpu()
    device = device_of(model)
    found, least = empty_result(images, 1), torch.full((len(images),), torch.inf)

    def look(rows: Tensor, draw: int) -> None:
        shown, goals = images[rows].to(device), classes[rows].to(device)
        if draw:
            shown = perturbation.perturb(shown, ImageRandom(key("worst of", seed, draw), known[rows].to(device)))
        outputs = ask(model, shown, numbers=rows, under=f"draw {draw} of {perturbation.name}" if draw else "")
        check_classes(outputs, goals)
        now, away = outputs.argmax(1).cpu(), margin(outputs, goals).cpu() * (1 if targeted else -1)
        wanted = (now == classes[rows]) == targeted
        if draw == 0:
            found.before[rows, 0] = now
        nearer = wanted | ((away < least[rows]) & (draw > 0))
        least[rows[nearer]] = away[nearer]
        found.images[rows[nearer], 0] = shown[nearer.to(device)].to(images.device)
        found.after[rows[nearer], 0] = now[nearer]
        found.success[rows, 0] = wanted
        found.steps[rows, 0] = draw
        found.queries[rows, 0] = draw + 1

    with torch.inference_mode():
        for draw in progressing(range(draws + 1), title, "draw", draws + 1):
            left = (~found.success[:, 0]).nonzero()[:, 0]
            for rows in left.split(batch_size) if len(left) else ():
                look(rows, draw)
    return found
