"""The commands that help to begin: init, schema, completion."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stillright.cli.command import command, console
from stillright.cli.paths import given, path
from stillright.errors import ConfigError

KINDS = ("policy", "update", "study", "suite")
SHELLS = ("bash", "zsh", "tcsh")


def _init(args: argparse.Namespace) -> int:
    from stillright.config.schema import schema
    from stillright.folder.files import write_atomically

    out: Path = args.out or Path(f"{args.kind}.yaml")
    described = out.with_name(f"{args.kind}.schema.json")
    if out.exists():
        raise ConfigError(f"{out}: is there already; give another path with --out")
    text = _draft_policy(args) if args.kind == "policy" else _draft_update(args)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, f"# yaml-language-server: $schema={described.name}\n{text}")
    write_atomically(described, schema(args.kind))
    console(args).print(f"wrote {out}, and {described} for editors", soft_wrap=True, markup=False, highlight=False)
    return 0


def _draft_policy(args: argparse.Namespace) -> str:
    from stillright.comparison import compare
    from stillright.verdict.draft import draft_policy

    return draft_policy(compare(*args.files, slices=args.slice, on_missing="drop"), args.slice)


def _draft_update(args: argparse.Namespace) -> str:
    from stillright.config.draft import draft_update
    from stillright.jsonl import read_objects

    if args.slice:
        raise ConfigError(f"--slice {args.slice[0]}: is for a policy; leave it out")
    train, test = map(Path, args.files)
    first, _ = (next((row for _, row in read_objects(file)), {}) for file in (train, test))
    return draft_update(train, test, first)


def _schema(args: argparse.Namespace) -> int:
    from stillright.config.schema import schema

    print(schema(args.kind), end="")
    return 0


def _completion(args: argparse.Namespace) -> int:
    from stillright.cli import parser
    from stillright.errors import needs

    with needs("completion", "completion"):
        import shtab
    print(shtab.complete(parser(), shell=args.shell))
    return 0


def add_setup_commands(commands: Any) -> None:
    """Adds init, schema and completion."""
    init = command(
        commands,
        "init",
        _init,
        "write a first policy.yaml or update.yaml for your files, with comments",
        "stillright init policy old.jsonl new.jsonl --slice subject\n  stillright init update train.jsonl test.jsonl",
    )
    init.add_argument(
        "kind", choices=KINDS[:2], metavar="KIND", help="policy: of two files of results; update: of rows"
    )
    init.add_argument("files", nargs=2, type=given, metavar="FILE", help="OLD and NEW, or TRAIN and TEST")
    init.add_argument(
        "--slice", action="append", default=[], metavar="COLUMN", help="a limit on each value; repeatable"
    )
    init.add_argument("--out", type=path, metavar="FILE", help="default: KIND.yaml")
    schema = command(
        commands, "schema", _schema, "print the JSON Schema of a file, for editors", "stillright schema policy"
    )
    schema.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    completion = command(
        commands,
        "completion",
        _completion,
        "print a script that completes commands and options in a shell (extra completion)",
        "stillright completion bash > ~/.local/share/bash-completion/completions/stillright",
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
