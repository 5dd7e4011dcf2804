"""Files that are written whole or not at all, and those that say who has something to himself."""

from robust.files.writing import atomic_write, check_guards, guarded, remove_partial

__all__ = ["atomic_write", "check_guards", "guarded", "remove_partial"]
