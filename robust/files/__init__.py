"""Files: written whole or not at all, claimed by one process at a time, inside their folder."""

from robust.files.writing import atomic_write, check_guards, guarded, remove_partial

__all__ = ["atomic_write", "check_guards", "guarded", "remove_partial"]
