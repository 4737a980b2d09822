"""Where things are kept: ``.local/`` between runs, a throw-away folder for one run."""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.guard import Guard
from local.trouble import CannotStart

PROJECT = Path(__file__).resolve().parent.parent
PREFIX = "customer360-"


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one run.

    ``runtime`` is always throw-away: sockets, copied programs. ``data`` holds the services' data, ``logs`` what they
    write; both are throw-away unless the run keeps its data.
    """

    runtime: Path
    data: Path
    logs: Path
    kept: bool


def open_kept(guard: Guard, *, project: Path = PROJECT) -> Folders:
    """``.local/`` of the project, held against a second supervisor. Raises CannotStart when one is running."""
    local = project / ".local"
    try:
        local.mkdir(mode=0o755, exist_ok=True)
        _hold(local / "lock", guard, or_else=f"{local} is in use by another demo or services run")
        (local / "log").mkdir(exist_ok=True)
    except PermissionError as error:
        raise CannotStart(
            f"{error.filename} belongs to another account; give it to this one (chown -R) or move .local away"
        ) from error
    return Folders(runtime=make_throwaway(guard), data=local, logs=local / "log", kept=True)


def open_throwaway(guard: Guard, *, durable: bool) -> Folders:
    """A folder that goes away with the supervisor; ``durable`` puts it on a disk rather than in memory."""
    runtime = make_throwaway(guard, durable=durable)
    (runtime / "log").mkdir()
    return Folders(runtime=runtime, data=runtime, logs=runtime / "log", kept=False)


def make_throwaway(guard: Guard, *, durable: bool = False) -> Path:
    """Make a folder that any account may enter but not list, and that goes away with the supervisor."""
    choices = [Path("/var/tmp")] if durable else []
    choices += [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]
    for place in choices:
        if _is_usable(place):
            break
    else:
        raise CannotStart("no temporary folder that every account may enter and run programs from; set TMPDIR to one")
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    folder.chmod(0o711)
    # Under its name only once it is held: another run that tidies at this moment would hold it first, and remove all.
    _hold(folder / "lock.new", guard, or_else=f"{folder} is in use")
    (folder / "lock.new").rename(folder / "lock")
    guard.remove(folder)
    return folder


def _is_usable(place: Path) -> bool:
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK) or os.statvfs(place).f_flag & os.ST_NOEXEC:
        return False
    return os.geteuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (place, *place.resolve().parents))


def _hold(path: Path, guard: Guard, *, or_else: str) -> None:
    """Lock a file until this process and its guard have ended (the descriptor stays open on purpose)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise CannotStart(f"{or_else}{f' (process {holder})' if holder else ''}; stop it first") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    # A run that came while it tidies would meet servers that still end, and lose what it has written itself.
    guard.keep(descriptor)


def _sweep(place: Path) -> None:
    """Remove throw-away folders whose supervisor and guard were both killed."""
    for folder in place.glob(f"{PREFIX}*"):
        try:
            if folder.stat().st_uid != os.geteuid() or folder.is_symlink():
                continue
            descriptor = os.open(folder / "lock", os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
