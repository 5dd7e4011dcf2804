"""`python -m robust.track --entity NAME`: saves the dashboard of a W&B project."""

import argparse

from robust.errors import reported


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m robust.track", description="Saves the view `robust` of a W&B project and prints its address."
    )
    parser.add_argument("--entity", required=True, help="whose project: a user or a team")
    parser.add_argument("--project", default="robust", help="as logger.project (default: robust)")
    arguments = parser.parse_args()

    from robust.track.dashboard import dashboard  # imports W&B: not for --help
    from robust.track.wandb import has_key

    if not has_key():
        raise ValueError("A dashboard is saved in an account, and there is no key of one: `wandb login` stores it.")
    try:
        view = dashboard(arguments.entity, arguments.project)
    except ImportError as error:
        raise ValueError("The dashboard needs a package: pip install wandb-workspaces") from error
    print("dashboard:", view.save().url)


if __name__ == "__main__":
    reported(main)
