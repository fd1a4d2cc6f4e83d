"""The folder of an output project: which folders may be one, and the files we write into it.

A *workspace* is always handled by its real path: no link, no ``..``. Everything below it is reached through directory
descriptors that follow no link, so that a link put there between a check and a use leads nowhere: the work inside a
workspace is done by programs that a model steers.

    <workspace>/
      .planning/                                GSD's, shared by all milestones; we only read it
      .milestones/<milestone id>/
        MILESTONE-CONTEXT.md                    ours: what the milestone's command points Claude at
      .milestones/PROJECT-BRIEF-<digest>.md     ours: what GSD's new-project is given
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from .errors import ContextTaken, InvalidBody, InvalidPath
from .folders import held
from .models import check_id

CONTEXT_LIMIT_BYTES = 1024 * 1024
MILESTONES_FOLDER = ".milestones"
CONTEXT_NAME = "MILESTONE-CONTEXT.md"

_CONTEXT_ELSE = "take its text for a milestone of its own (`%wxmilestone new NAME --context @FILE`)"
_BRIEF_ELSE = "give that text to `%%wxmilestone init`"
_SLUG_LENGTH = 60  # characters: at most 240 bytes of UTF-8, where a file name may have 255
_ACCENTS = re.compile("[\u0300-\u036f]")
#: Control characters and line separators, and bytes that are no UTF-8: they would break lines of logs and screens, and
#: no store could keep them.
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
#: What makes a path look like another one: the overrides, embeddings and isolates of bidirectional text.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NAME_BYTES, _PATH_BYTES = 255, 4095
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def slug(name: str) -> str:
    """Return a folder name for a project's name: lower-case letters, digits and single hyphens, never empty.

    Accents are dropped ("Gestão" becomes ``gestao``), other scripts are kept. A name that is too long, or that has no
    letter at all, is told apart from its like by a digest.
    """
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", name)).casefold()
    text = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", plain)).strip("-")
    if 0 < len(text) <= _SLUG_LENGTH:
        return text
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{text[: _SLUG_LENGTH - 9].rstrip('-') or 'project'}-{digest}"


def resolve_workspace(
    path: str | os.PathLike[str], allowed_roots: Sequence[str | os.PathLike[str]], *, create: bool = False
) -> str:
    """Return the real path of a workspace folder, which lies in (or is) one of the allowed roots.

    Args:
        path: Absolute; links and ``..`` are resolved before it is judged.
        allowed_roots: Folders, judged by their real paths too. None given means that nothing is allowed.
        create: Create the folder, its parents and the root, with mode 0755 under the umask. Without it, a folder that
            does not exist yet is no error.

    Raises:
        InvalidPath: Relative, unprintable, outside every root, not a folder, or not usable; the message says which.
    """
    text = os.fspath(path)
    real = real_path(text)
    roots = [os.fspath(root) for root in allowed_roots]
    for root in map(os.path.realpath, roots):
        if os.path.commonpath((root, real)) == root:
            _walk(root, os.path.relpath(real, root), shown=text, create=create)
            return real
    raise InvalidPath(
        f"The folder {text} is outside the allowed workspace roots ({', '.join(roots) or 'none are configured'}). "
        "Choose a folder in one of them, or add its parent to c.WxcodeApp.allowed_workspace_roots.",
        path=text,
    )


def real_path(path: str) -> str:
    """Return the real path of a folder as it is stored, wherever it is. Raises ``InvalidPath`` where that is none."""
    text = _checked(path)
    with _refusals(text):  # what was a link when it was looked at may be none when it is read
        return _checked(os.path.realpath(text))


def check_length(text: str, limit_bytes: int, *, field: str) -> None:
    """Raise ``InvalidBody`` for a text with more bytes of UTF-8."""
    _check(len(text.encode(errors="replace")), limit_bytes, field)


def write_context(workspace: str, milestone_id: str, text: str, limit_bytes: int = CONTEXT_LIMIT_BYTES) -> str:
    """Write a milestone's context file and return its path, relative to the workspace.

    Atomic and durable: a reader sees no file or the whole one, and what this returned from is on disk. A file that has
    this text already is left alone, and so is one with another text: nothing is ever overwritten.

    Args:
        workspace: Real path of an existing folder, as `resolve_workspace` returns it.
        milestone_id: An ObjectId.
        text: Any text; it is written as UTF-8.
        limit_bytes: Largest size of the encoded text.

    Raises:
        InvalidId: For a milestone id that is none.
        InvalidBody: ``field="context"``: too large, or not encodable.
        InvalidPath: A link, or anything else that is no folder or regular file, stands in the way.
        ContextTaken: There is one with another text.
    """
    relative = context_path(milestone_id)
    content = _encoded(text, limit_bytes, field="context")
    with (
        _opened_workspace(workspace) as root,
        _refusals(os.path.join(workspace, relative)),
        _subfolder(root, MILESTONES_FOLDER) as milestones,
        _subfolder(milestones, milestone_id) as folder,
    ):
        _add(folder, CONTEXT_NAME, content, shown=os.path.join(workspace, relative), else_=_CONTEXT_ELSE)
    return relative


def context_path(milestone_id: str) -> str:
    """Return where a milestone's context file is, relative to the workspace. Raises ``InvalidId``."""
    return f"{MILESTONES_FOLDER}/{check_id(milestone_id)}/{CONTEXT_NAME}"


def write_brief(workspace: str, text: str, limit_bytes: int = CONTEXT_LIMIT_BYTES) -> str:
    """Write the brief of a project and return its path, relative to the workspace; other text is another file.

    Promises and errors are those of `write_context`; ``field`` is ``brief``.
    """
    content = _encoded(text, limit_bytes, field="brief")
    name = f"PROJECT-BRIEF-{hashlib.sha256(content).hexdigest()[:12]}.md"
    relative = f"{MILESTONES_FOLDER}/{name}"
    with (
        _opened_workspace(workspace) as root,
        _refusals(os.path.join(workspace, relative)),
        _subfolder(root, MILESTONES_FOLDER) as folder,
    ):
        _add(folder, name, content, shown=os.path.join(workspace, relative), else_=_BRIEF_ELSE)
    return relative


def read_context(workspace: str, milestone_id: str, limit_bytes: int = CONTEXT_LIMIT_BYTES) -> str | None:
    """Return the text of a milestone's context file, or None where there is none.

    At most ``limit_bytes`` are read; bytes that are no UTF-8 become U+FFFD. Raises as `write_context` does.
    """
    relative = context_path(milestone_id)
    with _opened_workspace(workspace) as root, _refusals(os.path.join(workspace, relative)):
        try:
            milestones = os.open(MILESTONES_FOLDER, _DIRECTORY, dir_fd=root)
            with _closing(milestones), _closing(os.open(milestone_id, _DIRECTORY, dir_fd=milestones)) as folder:
                content = _load(folder, CONTEXT_NAME, limit_bytes)
        except FileNotFoundError:
            return None
    return None if content is None else content.decode("utf-8", "replace")


def has_project(workspace: str) -> bool:
    """Tell whether GSD's ``new-project`` has been through here: ``.planning/PROJECT.md`` exists."""
    return os.path.isfile(os.path.join(workspace, ".planning", "PROJECT.md"))


def _checked(path: str) -> str:
    if not os.path.isabs(path):
        raise InvalidPath(f"The folder {path!r:.200} is not absolute: give it from / on.", path=path)
    if any(unicodedata.category(character) in _UNPRINTABLE or character in _BIDI for character in path):
        raise InvalidPath(f"The folder {path!r:.200} has characters that no workspace may have.", path=path)
    encoded = os.fsencode(path)
    if len(encoded) > _PATH_BYTES or any(len(name) > _NAME_BYTES for name in encoded.split(b"/")):
        raise InvalidPath(
            f"The folder {path[:100]}... is too long: a name has at most {_NAME_BYTES} bytes, a path {_PATH_BYTES}.",
            path=path,
        )
    return path


def _walk(root: str, relative: str, *, shown: str, create: bool) -> None:
    """Go from the root to the folder, component by component, following no link."""
    with _refusals(shown):
        if create:
            os.makedirs(root, 0o755, exist_ok=True)
        try:
            # O_PATH needs no right to list the folders on the way, only to pass them.
            current = os.open(root, os.O_PATH | _DIRECTORY)
            for name in relative.split("/") if relative != "." else ():
                with _closing(current) as parent:
                    if create:
                        _make_folder(parent, name)
                    current = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
            os.close(current)
        except FileNotFoundError:
            if create:
                raise


def _make_folder(parent: int, name: str) -> bool:
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        return False
    return True


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _refusals(shown: str) -> Iterator[None]:
    """Turn what the system says of a path into an `InvalidPath` that a user understands."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        reason = {
            errno.ELOOP: "a link stands in the way",
            errno.ENOTDIR: "something that is no folder (a file, or a link) stands in the way",
        }.get(error.errno or 0, error.strerror or str(error))
        raise InvalidPath(f"{shown} cannot be used: {reason}.", path=shown) from error


@contextmanager
def _opened_workspace(workspace: str) -> Iterator[int]:
    with ExitStack() as stack:
        with _refusals(workspace):
            descriptor = stack.enter_context(held(workspace))
        yield descriptor


@contextmanager
def _subfolder(parent: int, name: str) -> Iterator[int]:
    if _make_folder(parent, name):
        os.fsync(parent)
    with _closing(os.open(name, _DIRECTORY, dir_fd=parent)) as descriptor:
        yield descriptor


def _encoded(text: str, limit_bytes: int, *, field: str) -> bytes:
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidBody(f"The {field} cannot be written as UTF-8: {error.reason}.", field=field) from error
    _check(len(content), limit_bytes, field)
    return content


def _check(length: int, limit_bytes: int, field: str) -> None:
    if length > limit_bytes:
        raise InvalidBody(
            f"The {field} has {length} bytes; at most {limit_bytes} are taken (c.WxcodeApp.context_limit_bytes). "
            "Shorten it, or put a part of it into a file of the workspace and name that.",
            field=field,
            limit_bytes=limit_bytes,
        )


def _load(folder: int, name: str, limit_bytes: int) -> bytes | None:
    """Return up to ``limit_bytes`` of a regular file, None where there is none; refuse everything else."""
    try:
        # O_NONBLOCK: a FIFO of this name must not keep us waiting for its writer.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with _closing(descriptor):
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, f"{name} is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit_bytes)


def _add(folder: int, name: str, content: bytes, *, shown: str, else_: str) -> None:
    """Have a file with this content. Raises ``ContextTaken`` for one with another, whoever wrote it and when."""
    if (present := _load(folder, name, limit_bytes=len(content) + 1)) is None:
        try:
            _create(folder, name, content)
        except FileExistsError:  # somebody was faster
            present = _load(folder, name, limit_bytes=len(content) + 1)
        else:
            return
    if present != content:
        raise ContextTaken(
            f"{shown} has another text already, and it is not overwritten. Move it away (mv) to have this one written; "
            f"or {else_}.",
            path=shown,
        )


def _create(folder: int, name: str, content: bytes) -> None:
    """Make a file, complete. Raises ``FileExistsError`` where there is anything of this name."""
    temporary = f".{name}.{secrets.token_hex(6)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o644, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _claim(folder, temporary, name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
    os.fsync(folder)


def _claim(folder: int, temporary: str, name: str) -> None:
    """Give a file its name, unless there is one: a rename alone would replace what has come since it was looked at."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: take the name, then put the file there.
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder))
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
