"""The command line: arguments, exit codes, and Hydra, which only this module imports.

Nothing heavy is imported before a command is known: each process of a pool imports this module again.
"""

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from claims import __version__
from claims.errors import ClaimsError

# What an exit code says, but for 2: the message above it says what is wrong with the command, a file or the host.
MEANING = {
    1: "verdict drift: a verdict or label differs from the committed one",
    3: "a verdict became invalid: a control or a trial failed",
    4: "incomplete: every finished replicate is stored, and the same command goes on from there",
}


def find_root() -> Path:
    """The project's root: the nearest folder above the current one with conf/claim, else the one of this package.

    An installed package carries claims and evidence itself; runs of it leave what they make in the current folder.
    """
    from claims import schema

    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "conf" / "claim").is_dir():
            return folder
    package = Path(__file__).resolve().parent
    root = here if (package / "conf").is_dir() else package.parents[1]
    if not (schema.conf_of(root) / "claim").is_dir():
        raise ClaimsError(f"{here}: there is no conf/claim here or above; change into the project's folder")
    return root


def compose(root: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The root configuration with overrides, as plain values.

    Raises:
        ClaimsError: Hydra does not accept an override.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from claims import schema

    try:
        with initialize_config_dir(str(schema.conf_of(root)), version_base="1.3"):
            return _plain(hydra_compose("config", list(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise ClaimsError(_overrides_fault(error)) from None


def _overrides_fault(error: Exception) -> str:
    """What Hydra says of an override, in one line and without its search path."""
    told = re.split(r" (?:Config search path|full_key|See https)\b", " ".join(str(error).split()))[0]
    return f"overrides: {told}; run claims run --cfg job claim=topic/id to see the keys"


def _plain(config: Any) -> dict[str, Any]:
    from omegaconf import OmegaConf

    found: Any = OmegaConf.to_container(config, resolve=True)
    return {str(key): value for key, value in found.items()}


def hydra_command(argv: Sequence[str]) -> int:
    """`claims run`: hands the command line to Hydra."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from claims import commands, schema
    from claims.session import Session, hint

    root = find_root()
    conf = schema.conf_of(root)
    files = schema.files(conf)
    for argument in argv:
        key, _, value = argument.partition("=")
        if argument in files:
            raise ClaimsError(f"claim: is written claim={argument}, got {argument!r}")
        if key == "claim" and not any(c in value for c in ",([") and value not in files:
            raise ClaimsError(f"claim: there is no claim {value!r}{hint(value, files)}; claims list shows them all")
        if key == "claim" and value.startswith("glob("):
            raise ClaimsError("claim: patterns are for the suite; use claims reproduce 'topic/*'")
        if key == "claim" and "," in value and not {"-m", "--multirun"} & set(argv):
            raise ClaimsError("claim: several claims need -m (a sweep), or claims reproduce with their names")
    codes: list[int] = []

    def main(config: Any) -> None:
        state = HydraConfig.get()
        choice = state.runtime.choices.get("claim")
        overrides = [o for o in state.overrides.task if not o.startswith("claim=")]
        plain = _plain(config)
        codes.append(_guarded(lambda: commands.run(Session(root, plain), choice, overrides)))

    sys.argv = ["claims run", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else it prints its errors itself, in many lines
    try:
        hydra.main(config_path=str(conf), config_name="config", version_base="1.3")(main)()
    except (HydraException, OmegaConfBaseException) as error:
        raise ClaimsError(_overrides_fault(error)) from None
    except SystemExit as stop:  # Hydra has printed what is wrong with the command line
        return 2 if stop.code else 0
    return max(codes, default=0)


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"a shard is written i/n with 1 <= i <= n, got {text!r}")
    return int(index), int(count)


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, as all others are told."""

    def error(self, message: str) -> Any:
        raise ClaimsError(f"{message}; see {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    from claims import commands

    root = _Parser(prog="claims", description="Claims of a machine-learning guide on trial.")
    root.add_argument("--version", action="version", version=f"claims {__version__}")
    added = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, function: Callable[[argparse.Namespace], int], patterns: bool = True, name_of: str = ""
    ) -> argparse.ArgumentParser:
        command = added.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(function=function)
        if name_of:
            command.add_argument("name", metavar="NAME", help=name_of)
        if patterns:
            command.add_argument(
                "arguments",
                nargs="*",
                metavar="CLAIM|KEY=VALUE",
                help="topic/id, a pattern such as 'topic/*', or an override such as profile=quick",
            )
        return command

    added.add_parser(
        "run", help="one claim through Hydra: claims run claim=topic/id [overrides]; claims run --help", add_help=False
    )
    reproduce = add("reproduce", commands.reproduce)
    reproduce.add_argument("--shard", type=_shard, metavar="I/N", help="only every N-th claim, for job arrays")
    add("list", commands.list_claims)
    add("show", commands.show)
    check = add("check", commands.check)
    check.add_argument(
        "--run", action="store_true", help="also run two replicates of each condition: rules, cost, power"
    )
    add("explain", commands.explain)
    add("diff", commands.diff)
    add("accept", commands.accept)
    add("report", commands.build_pages)
    add("sync", commands.sync)
    stability = add("stability", commands.compare_seeds)
    stability.add_argument("--seeds", nargs="+", type=int, default=[1, 2], metavar="SEED", help="base seeds (1 2)")
    environment = add("environment", commands.compare_environment, name_of="a file of conf/environments")
    environment.add_argument("--constraints", action="store_true", help="print the pins to install, run nothing")
    add("coverage", commands.coverage)
    add("schema", commands.print_schema, patterns=False)
    new = add("new", commands.new, patterns=False)
    new.add_argument("name", metavar="TOPIC/ID")
    start = new.add_mutually_exclusive_group()
    start.add_argument("--like", metavar="TOPIC/ID", help="start from this claim's file")
    start.add_argument("--trial", metavar="MODULE.NAME", help="use this trial, such as experiments.generic.compare")
    add("merge", commands.merge, patterns=False).add_argument("stores", nargs="+", metavar="STORE")
    add("ui", commands.ui, patterns=False).add_argument("--port", type=int, default=5000)
    return root


def _guarded(command: Callable[[], int]) -> int:
    """Runs a command; an error that its user can mend is one line, an interrupt says what is kept."""
    try:
        return command()
    except ClaimsError as error:
        for line in str(error).splitlines():
            print(f"claims: {line}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        kept = str(stop) or "nothing was being computed, and every finished replicate is stored"
        print(f"claims: stopped; {kept}", file=sys.stderr)
        return 4
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"claims: {error}; free the path or its disk and run the command again; nothing is lost", file=sys.stderr)
        return 2


def _stopped(*_: Any) -> None:
    """Ends the command, once: stopping takes less than 5 s, and a second signal would only cut its words short."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `claims` command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, _stopped)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as in the background
        signal.signal(signal.SIGINT, _stopped)

    def command() -> int:
        root = find_root()
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        if arguments[:1] == ["run"]:
            return hydra_command(arguments[1:])
        from claims.session import Session

        args = parser().parse_args(arguments)
        given = getattr(args, "arguments", [])
        overrides = [text for text in given if "=" in text]
        args.patterns = [text for text in given if "=" not in text]
        args.session = lambda *more: Session(root, compose(root, [*overrides, *more]))
        return int(args.function(args))

    code = _guarded(command)
    if code in MEANING:
        print(f"claims: {MEANING[code]} (exit code {code})", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
