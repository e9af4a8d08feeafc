"""The command line: `codealign VERB …`.

Each verb lives in a module that is imported when the verb is used, so that `--help` answers at once.
Results go to standard output, progress to standard error. Exit codes: 0 done, 1 our fault, 2 usage or
bad input, 3 infrastructure, 130 interrupted and resumable.
"""

from __future__ import annotations

import errno
import importlib
import os
import select
import signal
import sys
from typing import NoReturn

import click

from codealign.errors import CodealignError, InputError, StorageError

VERBS: dict[str, tuple[str, str]] = {
    "run": (
        "stages",
        "Every stage in order, skipping what is done. No file: the embedded default.",
    ),
    "sample": ("stages", "Draw completions of the training problems."),
    "judge": ("judging", "Judge completions: of a run, or any completions of any problems."),
    "pairs": ("pairing", "Make preference pairs: of a run, or of any verdicts."),
    "train": ("stages", "Align the model on the pairs of a run."),
    "eval": ("evaluating", "pass@k: of a run, a model, or a file of verdicts."),
    "compare": ("comparing", "Methods against each other, over seeds, in one table."),
    "credit": ("crediting", "How well a run's critic, rollouts and group means know its states."),
    "check": ("checking", "Before spending GPU hours: what would go wrong."),
    "audit": ("auditing", "Cheating programs against our judge, a peer, or your reward function."),
    "show": ("showing", "Look at a run's problems, completions, verdicts and pairs."),
    "report": ("showing", "Write report.html of a run again."),
    "env": ("environment", "What this machine gives: isolation, cores, libraries."),
    "kata": ("kata", "The embedded problems, and the recipe of the embedded policy."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"codealign.cli.{VERBS[cmd_name][0]}")
        return getattr(module, f"{cmd_name}_command")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            nearest = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else f" One of: {', '.join(VERBS)}."
            raise click.UsageError(f"No such verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


TRAIN_LIBRARIES = ("torch", "transformers", "accelerate", "peft", "tokenizers", "safetensors")
"""What the extra `train` installs beyond what judging needs."""


@click.group(
    cls=LazyGroup,
    subcommand_metavar="VERB ...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="codealign")
def group() -> None:
    """Unit tests in, a better code model out.

    `codealign run` with no arguments runs the whole loop on the embedded default.
    """


def main(args: list[str] | None = None) -> None:
    """Entry point: errors become one message on standard error and an exit code."""
    # Torch's threads sleep while they wait instead of spinning: a spinning pair on a core that somebody else
    # uses was measured 1.7 times slower. Read when torch is loaded; a user's own setting stands.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # A scheduler's way to say stop ends the work as Ctrl-C does: everything started is ended and tidied away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _invoke(args)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        print(
            "\ninterrupted: what was done is kept, run the same command to continue",
            file=sys.stderr,
        )
        sys.exit(130)
    except CodealignError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in TRAIN_LIBRARIES:
            _fail(_without_training(name))
        _report_defect(error)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _reader_left():
            sys.exit(0)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or "standard output or a temporary file"
            cure = "free some space and run again"
            _fail(StorageError(str(error.strerror), where=str(where), cure=cure))
        _report_defect(error)
    except Exception as error:
        _report_defect(error)


def _invoke(args: list[str] | None) -> None:
    """What `group.main` does without its way of ending: it makes `| head` an exit code of 1."""
    instruction = os.environ.get("_CODEALIGN_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(group, {}, "codealign", "_CODEALIGN_COMPLETE", instruction))
    words = sys.argv[1:] if args is None else args
    with group.make_context("codealign", list(words)) as context:
        group.invoke(context)
    sys.stdout.flush()


def _fail(error: CodealignError) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)


def _without_training(library: str) -> InputError:
    return InputError(
        f"this verb works with a model and needs PyTorch and its libraries: {library} is not installed",
        cure="pip install -c constraints.txt -e '.[train]' in the checkout; judge, pairs and "
        "eval --verdicts work without",
    )


def _reader_left() -> bool:
    """Whether the reader of our output went away (`| head`): nobody's error.

    A pipe to a process of ours that broke is another matter.
    """
    poll = select.poll()
    poll.register(sys.stdout, 0)  # an error is reported without being asked for
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    # Python would flush again at exit, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _report_defect(error: Exception) -> NoReturn:
    error.add_note(
        "This is a defect of codealign. Please report it with these lines and `codealign env`."
    )
    raise error
