"""Look at a host as a careful person would, and compare: what a move of a home must keep.

Independent of the product on purpose: it is what the product's work is checked against.

    observe.py keep FOLDER              write home, mounts, fstab and names beside the home to files in FOLDER
    observe.py compare FOLDER           exit 1, with the differences, if the host is not what FOLDER says
    observe.py same FOLDER TREE...      exit 1, with the differences, if a tree is not the home that FOLDER holds
"""

from __future__ import annotations

import difflib
import hashlib
import os
import pathlib
import stat
import subprocess
import sys

HOME = "/home/azureuser"


def entries(root):
    """Yield (path relative to the root, its lstat), the root first; the share's own folder is left out."""
    yield ".", os.lstat(root)
    for folder, folders, files in os.walk(root):
        if folder == root and ".azlin" in folders:
            folders.remove(".azlin")
        for name in folders + files:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root), os.lstat(path)


def manifest(root):
    """Type and mode, owner, size, time, link group, content or target, and name of everything in a tree."""
    first_of_inode = {}
    lines = []
    for name, status in sorted(entries(root)):
        path = os.path.join(root, name)
        regular, directory = stat.S_ISREG(status.st_mode), stat.S_ISDIR(status.st_mode)
        content = "-"
        if regular:
            content = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        linked = status.st_nlink > 1 and not directory
        fields = (
            oct(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_size if regular else "-",
            # The share's own folder touches the time of the root; NFS-Ganesha keeps no times of symbolic links.
            "-" if name == "." or stat.S_ISLNK(status.st_mode) else status.st_mtime_ns,
            first_of_inode.setdefault(status.st_ino, name) if linked else "-",
            content,
            name,
        )
        lines.append(" ".join(repr(str(field)) for field in fields))
    return lines


def mounts():
    """What is mounted, but for what a login mounts for itself."""
    argv = ["findmnt", "--raw", "--noheadings", "--output", "TARGET,SOURCE,FSTYPE,OPTIONS"]
    listed = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return [line for line in listed if not line.startswith("/run/user")]


def look():
    """Return {aspect: lines}."""
    return {
        "home": manifest(HOME),
        "mounts": mounts(),
        "fstab": pathlib.Path("/etc/fstab").read_text().split("\n"),
        "names": sorted(os.listdir(os.path.dirname(HOME))),
    }


def stored(folder, aspect):
    return (folder / aspect).read_text().split("\n")


def differences(expected, found, what):
    return list(difflib.unified_diff(expected, found, f"{what} before", f"{what} now", lineterm="", n=0))


def main():
    command, folder, trees = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    if command == "keep":
        folder.mkdir(mode=0o700, exist_ok=True)
        for aspect, lines in look().items():
            (folder / aspect).write_text("\n".join(lines))
        return 0
    found = look() if command == "compare" else {tree: manifest(tree) for tree in trees}
    expected = {what: stored(folder, what if command == "compare" else "home") for what in found}
    wrong = [line for what, lines in found.items() for line in differences(expected[what], lines, what)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
