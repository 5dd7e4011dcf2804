"""`python train.py perturb=blur`: one run, or with -m many (perturb=noise,blur,pixel). The same as `robust train`."""

from robust.cli import train

if __name__ == "__main__":
    train()
