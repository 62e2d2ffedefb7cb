"""Who the embedded server runs as and whose its files are. PostgreSQL refuses root; root's private folders stay closed."""

import os
import pwd
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

from analytics_pipeline.errors import WarehouseUnavailable


def owner_of(folder: Path) -> tuple[int, int] | None:
    """User and group that the data belongs to, where that is not ourselves: only root may serve another's."""
    data = folder / "data"
    if data.exists():
        found = data.stat()
        if found.st_uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise WarehouseUnavailable(
                f"{data} belongs to user {found.st_uid}: run as that user, or set another ANALYTICS_HOME"
            )
        return found.st_uid, found.st_gid
    if os.geteuid() != 0 or has_user_namespaces():
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
        except KeyError:
            continue
    raise WarehouseUnavailable("running as root needs a user 'postgres' or 'nobody' on this machine: create one")


# PostgreSQL refuses to run as root. In a user namespace, root's files stay root's and the server sees another user; where
# there are none (most containers), it runs as an ordinary user who may pass through root's private folders.
_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
_CAPABILITY = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")


@cache
def has_user_namespaces() -> bool:
    """Whether this machine lets root have user namespaces."""
    return (
        bool(shutil.which("unshare"))
        and subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    )


def as_owner(folder: Path, command: list[str]) -> list[str]:
    """The command as the owner of the data, and never as root."""
    owner = owner_of(folder)
    if owner is None:
        return [*_NAMESPACE, *command] if os.geteuid() == 0 else command
    if shutil.which("setpriv") is None:
        raise WarehouseUnavailable("running as root needs the program setpriv (package util-linux): install it")
    identity = (f"--reuid={owner[0]}", f"--regid={owner[1]}", "--clear-groups")
    return ["setpriv", *identity, *_CAPABILITY, "--", *command]


def new_folder(path: Path, owner: tuple[int, int] | None) -> None:
    """Make a private folder. One that is there must be a real one of the right user: nobody's link is followed."""
    try:
        path.mkdir(mode=0o700)
        if owner is not None:
            os.chown(path, *owner, follow_symlinks=False)
    except FileExistsError:
        found = path.lstat()
        expected = owner[0] if owner else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != expected or found.st_mode & 0o077:
            raise WarehouseUnavailable(f"{path} is not a private folder of user {expected}: remove it") from None
