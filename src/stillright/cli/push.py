"""The command that shares an adapter: push. It needs no torch."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stillright.cli.command import Once, command, console
from stillright.cli.paths import given, path

if TYPE_CHECKING:
    from stillright.hub.push import Upload


def _push(args: argparse.Namespace) -> int:
    from stillright.hub.push import push, upload_of
    from stillright.report.controls import without_controls

    upload = upload_of(args.adapter, args.repository)
    if args.dry_run:
        lines = [*_foretold(upload, args.public, args.revision)]
    else:
        pushed = push(upload, args.public, args.revision)
        lines = [f"pushed: {pushed.url} ({'private' if pushed.is_private else 'public'})"]
    terminal = console(args)
    for line in lines:
        terminal.print(without_controls(line), soft_wrap=True, markup=False, highlight=False)
    return 0


def _foretold(upload: Upload, public: bool, revision: str | None) -> Iterator[str]:
    """What would go where; the hub is not asked."""
    yield f"repository: {upload.repository}, {'public' if public else 'private'} if it is made now"
    yield f"branch: {revision or 'main'}"
    yield from (f"  {file.size:>14,} bytes  {file.name}" for file in upload.files)
    yield "metadata of the card:"
    yield from (f"  {line}" for line in upload.metadata.splitlines())


def add_push_command(commands: Any) -> None:
    """Adds push."""
    parser = command(
        commands,
        "push",
        _push,
        "upload an adapter and its card to the Hugging Face Hub; never predictions, which quote prompts (extra remote)",
        "stillright push runs/update/adapters/compat OWNER/NAME --dry-run    (what would go)\n"
        "  stillright push runs/update/adapters/compat OWNER/NAME",
    )
    parser.add_argument("adapter", type=path, metavar="ADAPTER", help="its folder, such as OUT/adapters/compat")
    parser.add_argument("repository", type=given, metavar="REPO", help="OWNER/NAME; made where there is none")
    parser.add_argument("--dry-run", action="store_true", help="print files, sizes and metadata, and ask no hub")
    parser.add_argument("--public", action="store_true", help="everybody may see it (default: private)")
    parser.add_argument("--revision", action=Once, type=given, metavar="BRANCH", help="default: main")
