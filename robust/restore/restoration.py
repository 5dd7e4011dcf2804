"""What a restoration is, and a network behind one."""

from typing import Any

from torch import Tensor, nn


class Restoration(nn.Module):
    """Takes images in [0, 1], float of shape (batch, channels, height, width), of any size and number of channels, and
    returns them restored: of the same shape, dtype and device, in [0, 1]. What becomes of an image does not depend on
    the others."""

    #: False where the gradient is that of leaving images as they are, so that attacks do not see what is done
    differentiable = True


class Restored(nn.Module):
    """A trained `network` that sees images after a restoration, `restore`; takes and gives what the network does.

    `image_shape` and `num_classes` are the network's, which has them already.
    """

    def __init__(
        self, *, network: nn.Module, restore: Restoration, image_shape: tuple[int, int, int], num_classes: int
    ):
        super().__init__()
        self.network, self.restore = network, restore

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.restore(images))

    def __getattr__(self, name: str) -> Any:
        """What else a network says of itself, as it does without the restoration: whether it gives logits, what its
        scores mean."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("network"), name)


def hides_gradients(model: nn.Module) -> bool:
    """Whether a part of a model restores images in a way that its gradient does not show."""
    return any(isinstance(part, Restoration) and not part.differentiable for part in model.modules())
