"""Where files go: never outside the folder that they are meant for, whatever a name says."""

import hashlib
import re
from pathlib import Path

_LONGEST = 120  # bytes of a file's name, to which a suffix is added
_ODD = frozenset('/\\:*?"<>|')  # of a file system, here or where folders are copied to
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names of devices there
_MARKED = re.compile(r".*-[0-9a-f]{8}", re.DOTALL)


def file_name(name: str) -> str:
    """Any name as that of one file or folder, without a suffix: another name gives another one.

    What can be shown stays, but for what means something to a file system. A name with anything else in it, one that
    is too long, or that is a word of its own there (`..`, `con`), is mended and carries a hash; so does one that looks
    as if it did.
    """
    mended = "".join("_" if one in _ODD or not one.isprintable() else one for one in name).strip(" .") or "_"
    mended = mended.encode(errors="replace")[:_LONGEST].decode(errors="ignore").strip(" .")
    if mended == name and not _RESERVED.fullmatch(name) and not _MARKED.fullmatch(name):
        return name
    return f"{mended}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


def check_inside(path: Path, folder: Path) -> None:
    """Raises ValueError where something between `folder` and the file at `path` is a link, which could lead out."""
    for part in path.relative_to(folder).parents:
        if (place := folder / part).is_symlink() and place != folder:
            raise ValueError(
                f"{place} is a link, and nothing is written through one. Remove it, or name another folder."
            )
