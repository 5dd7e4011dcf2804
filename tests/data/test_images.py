"""Sets of images, and parts of them."""

import pytest
import torch

from robust.data import ImageSet

IMAGES = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1)


def make(**known: torch.Tensor) -> ImageSet:
    return ImageSet(IMAGES, torch.arange(10) % 2, ("even", "odd"), {"number": torch.arange(10)}, **known)


def test_images_stand_where_they_are_unless_it_is_said() -> None:
    assert make().places.tolist() == list(range(10))
    assert make(places=torch.arange(20, 30)).places.tolist() == list(range(20, 30))


def test_part_of_a_set_keeps_what_is_known_of_its_images() -> None:
    for part in (make()[slice(4, 8)][torch.tensor([3, 1])], make()[torch.tensor([7, 5])]):
        assert part.places.tolist() == [7, 5]
        assert part.extras["number"].tolist() == [7, 5]
        assert part.images.flatten().tolist() == [7, 5]
        assert part.labels.tolist() == [1, 1]
        assert part.to(torch.device("cpu")).places.tolist() == [7, 5]


@pytest.mark.parametrize("places", [torch.arange(9), torch.arange(10.0)])
def test_every_image_has_one_place(places: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"Places must be int64 of shape \(10,\); got"):
        make(places=places)
