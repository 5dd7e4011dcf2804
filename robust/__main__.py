"""`python -m robust COMMAND ...`: the same as `robust COMMAND ...`."""

from robust.cli import main

if __name__ == "__main__":
    main()
