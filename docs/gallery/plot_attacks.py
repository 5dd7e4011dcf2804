"""
Every attack
============

A small network is trained on digits for a few seconds; then each attack changes the same digits.
"""

import torch
from matplotlib.figure import Figure

from robust.attack import fgsm, gradient_sign, one_pixel, patch, pgd, universal, worst_of
from robust.attack.libraries import foolbox
from robust.data import digits, to_float
from robust.models import ConvNet
from robust.perturb import Rotation

# %%
# The network: images in [0, 1] to logits.

splits = digits()
images, labels = to_float(splits.train.images), splits.train.labels
torch.manual_seed(0)
network = ConvNet(
    image_shape=[1, 28, 28], num_classes=10, units=[10], kernel_size=7, stride=3, padding=0, standardize="channel"
)
network.standardize.fit([images])
optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
for _ in range(10):
    for rows in torch.randperm(len(images)).split(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images[rows]), labels[rows]).backward()
        optimizer.step()
network.eval()

# %%
# The attacks, on six test images.

few = to_float(splits.test.images[:6]), splits.test.labels[:6]
training = images[:500], labels[:500]
found = {
    "FGSM": fgsm(network, *few, eps=0.2),
    "PGD": pgd(network, *few, eps=0.2, steps=20),
    "PGD, Euclidean": pgd(network, *few, eps=2, norm="l2", steps=20),
    "PGD through rotations": pgd(network, *few, eps=0.2, steps=20, perturbation=Rotation(level=30), draws=4),
    "gradient sign": gradient_sign(network, *few, step=1 / 255, max_steps=200, targeted=False),
    "one pixel": one_pixel(network, *few, pixels=3, population=100, generations=20),
    "universal": universal(network, *few, training=training, training_batch=100, eps=0.3, epochs=3),
    "patch": patch(network, *few, training=training, training_batch=100, size=0.4, epochs=3),
    "worst of 10 rotations": worst_of(network, *few, perturbation=Rotation(level=45), draws=10),
    "foolbox's DeepFool": foolbox(network, *few, method="LinfDeepFoolAttack"),
}

figure = Figure(figsize=(7, 12), layout="constrained")
axes = figure.subplots(1 + len(found), 6)
pictures = {"natural": few[0], **{name: one.images[:, 0] for name, one in found.items()}}
for line, (name, shown) in zip(axes, pictures.items(), strict=True):
    predictions = network(shown).argmax(1).tolist()
    for axis, image, prediction in zip(line, shown, predictions, strict=True):
        axis.imshow(image[0], cmap="gray", vmin=0, vmax=1)
        axis.set_title(prediction, fontsize=8)
        axis.set_xticks([])
        axis.set_yticks([])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
figures = {"Above each picture stands the prediction.": figure}
