"""What the API reference shows: every public name says what it is, and of which shapes its tensors are."""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from torch import nn

ROOMS = ["perturb", "models", "data", "measure", "attack", "learn", "runs"]
STUDIES = {"atlas", "minds_eye", "pretext", "scenes", "toward_scores"}  # which still lie in the core
SHAPE = re.compile(r"\bshape|\((batch|n),")


def public() -> Iterator[Any]:
    """Classes and functions that the rooms offer, as parameters."""
    for room in ["", *(f".{one}" for one in ROOMS)]:
        module = importlib.import_module(f"robust{room}")
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isroutine(found) or inspect.isclass(found):
                yield pytest.param(found, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("found", [*public()])
def test_a_public_name_says_what_it_is_and_which_shapes_its_tensors_have(found: Any) -> None:
    if STUDIES & {*found.__module__.split("."), found.__name__}:
        return
    assert found.__doc__, "no docstring"
    if inspect.isclass(found):
        of_tensors = issubclass(found, nn.Module) and found.__module__.startswith(("robust.perturb", "robust.models"))
        texts = [one.__doc__ or "" for one in found.__mro__ if one.__module__.startswith("robust.")]
    else:
        of_tensors = re.search(r"Tensor|ndarray", str(inspect.signature(found))) is not None
        texts = [found.__doc__]
    assert not of_tensors or any(SHAPE.search(text) for text in texts), "no shape"
