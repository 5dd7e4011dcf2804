"""`python -m robust.track --entity NAME`: saves the dashboard of a W&B project."""

import argparse

from robust.errors import reported, require


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.track", description="Saves the view `robust` of a W&B project and prints its address."
    )
    parser.add_argument("--entity", required=True, help="whose project: a user or a team")
    parser.add_argument("--project", default="robust", help="as logger.project (default: robust)")
    arguments = parser.parse_args()

    for module in ("wandb", "wandb_workspaces"):
        require(module, what="A dashboard", extra="wandb")

    from robust.track.dashboard import dashboard  # imports W&B: not for --help
    from robust.track.wandb import has_key

    if not has_key():
        raise ValueError("A dashboard is saved in an account, and there is no key of one: `wandb login` stores it.")
    print("dashboard:", dashboard(arguments.entity, arguments.project).save().url)


if __name__ == "__main__":
    reported(main)
