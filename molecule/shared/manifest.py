"""Print a manifest of a tree, one line a file: what a move of a home must keep.

Independent of the product on purpose: it is what the product's work is checked against.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys


def entries(root):
    """Yield (path relative to the root, its lstat), the root first; the share's own folder is left out."""
    yield ".", os.lstat(root)
    for folder, folders, files in os.walk(root):
        if folder == root and ".azlin" in folders:
            folders.remove(".azlin")
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root), os.lstat(path)


def line(root, name, status, first_of_inode):
    kind = stat.S_IFMT(status.st_mode)
    content = "-"
    if stat.S_ISREG(kind):
        with open(os.path.join(root, name), "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    elif stat.S_ISLNK(kind):
        content = os.readlink(os.path.join(root, name))
    linked = first_of_inode.setdefault(status.st_ino, name) if status.st_nlink > 1 and not stat.S_ISDIR(kind) else "-"
    size = status.st_size if stat.S_ISREG(kind) else "-"
    # The share's own folder in the root touches the root's time.
    modified = "-" if name == "." else status.st_mtime_ns
    fields = (oct(status.st_mode), status.st_uid, status.st_gid, size, modified, linked, content, name)
    return " ".join(repr(str(field)) for field in fields)


def main():
    root = sys.argv[1]
    first_of_inode = {}
    found = sorted(entries(root))
    print("\n".join(line(root, name, status, first_of_inode) for name, status in found))


if __name__ == "__main__":
    main()
