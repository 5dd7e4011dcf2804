"""What a restoration is, and a network behind one."""

from torch import Tensor, nn

from robust.models import Around


class Restoration(nn.Module):
    """Takes images in [0, 1], float of shape (batch, channels, height, width), of any size and number of channels, and
    returns them restored: of the same shape, dtype and device, in [0, 1]. What becomes of an image does not depend on
    the others."""

    #: False where the gradient is that of leaving images as they are, so that attacks do not see what is done
    differentiable = True


class Restored(Around):
    """A trained `network` that sees images after a restoration, `restore`; takes and gives what the network does.

    `image_shape` and `num_classes` are the network's, which has them already.
    """

    def __init__(
        self, *, network: nn.Module, restore: Restoration, image_shape: tuple[int, int, int], num_classes: int
    ):
        super().__init__(network)
        self.restore = restore

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.restore(images))


def hides_gradients(model: nn.Module) -> bool:
    """Whether a part of a model restores images in a way that its gradient does not show."""
    return any(isinstance(part, Restoration) and not part.differentiable for part in model.modules())
