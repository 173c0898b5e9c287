"""The command line: which verbs there are, as data, and how their errors end.

A verb's module is imported when the verb is used, so `pitchwright --help` loads nothing heavy.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import click

from service.console import EXIT_CODES, GlobalOptions, exit_code, message, note


class Verb(NamedTuple):
    """Where a verb lives, and its line in `--help`."""

    target: str
    """`module:attribute` of a click command or group."""
    summary: str


VERBS: Mapping[str, Verb] = {
    "demo": Verb(
        "service.demo.commands:demo", "Build a demo shop, write a small campaign for it, and serve it."
    ),
    "import": Verb("service.importing.commands:import_", "Import a catalogue, profiles and events."),
    "data": Verb("service.quality.commands:data", "Report what is odd about the data that came in."),
    "index": Verb("service.snapshots.commands:index", "Build and list snapshots."),
    "recommend": Verb("service.profiles.commands:recommend", "Recommend items to a profile."),
    "profile": Verb("service.privacy.commands:profile", "Export and erase one person's data."),
    "segment": Verb("service.segments.commands:segment", "Create, preview and list audiences."),
    "contact": Verb(
        "service.contact.commands:contact", "Say whom may be written to: opt-in, caps, a holdout."
    ),
    "draft": Verb("service.drafts.commands:draft", "Write copy for an item and an audience."),
    "score": Verb("service.scoring.commands:score", "Score texts you bring, with reasons."),
    "prompts": Verb("service.prompts.commands:prompts", "List, check, render and compare prompts."),
    "campaign": Verb("service.campaigns.commands:campaign", "Write a whole campaign from a file; resumable."),
    "worker": Verb("service.campaigns.worker_commands:worker", "Write campaigns ordered over HTTP."),
    "export": Verb("service.drafts.export_commands:export", "Export what people decided about copy."),
    "eval": Verb("service.evaluations.commands:eval_", "Measure how good copy and audiences are."),
    "bench": Verb("service.benchmarks.commands:bench", "Measure speed and memory at scale."),
    "serve": Verb("service.serve:serve", "Serve the HTTP API."),
    "doctor": Verb("service.operations.commands:doctor", "Look at everything the service needs."),
    "backup": Verb("service.operations.commands:backup", "Write store and snapshots into one file."),
    "restore": Verb("service.operations.commands:restore", "Put a backup into an empty folder."),
    "db": Verb("service.operations.schema_commands:db", "Take the store's schema up, or back."),
    "brand": Verb("service.workspaces.commands:brand", "Show and import the brand: voice, words, claims."),
    "keys": Verb("service.workspaces.commands:keys", "Create, list, rotate and revoke API keys."),
    "traits": Verb("service.profiles.trait_commands:traits", "Encrypt chosen traits, and rotate their keys."),
    "retention": Verb(
        "service.privacy.retention_commands:retention", "Say how long events are kept, and delete older ones."
    ),
    "audit": Verb("service.audit.commands:audit", "Export the record of who did what, and check it."),
}


class LazyGroup(click.Group):
    """A group whose verbs are imported when they are used, never to list them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, attribute = verb.target.split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{verb.target} is a {type(command).__name__}, not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in EXIT_CODES.items()])
        with formatter.section("Example"):
            formatter.write_text("pitchwright demo --no-serve")


def _print_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    del parameter
    if wanted and not ctx.resilient_parsing:
        from eval.figures import version

        click.echo(f"pitchwright {version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option("--data-dir", type=click.Path(file_okay=False), help="Folder of the store and snapshots [var].")
@click.option("--workspace", help="Workspace to work in [default].")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@click.pass_context
def cli(ctx: click.Context, data_dir: str | None, workspace: str | None, debug: bool) -> None:
    """Pitchwright knows whom to talk to and what to say.

    Results go to stdout, as JSON with --json; progress and messages go to stderr. Settings come from
    PITCHWRIGHT_* variables or a pitchwright.toml in the current folder.
    """
    ctx.obj = GlobalOptions(data_dir=data_dir, workspace=workspace, debug=debug)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command line and answer its exit code; deliberate errors become one line on stderr."""
    debug = "--debug" in arguments
    try:
        result = cli.main(args=list(arguments), prog_name="pitchwright", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        return 2
    except (KeyboardInterrupt, click.Abort):
        note("Interrupted; what was finished is kept.")
        return 130
    except BrokenPipeError:
        _detach_stdout()
        return 0
    except Exception as error:  # the edge: every error ends here as one line and an exit code
        if debug:
            raise
        return _report(error)
    return result if isinstance(result, int) else 0


def _report(error: Exception) -> int:
    code = exit_code(error)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        note(error.ctx.get_usage())
    if code is None:
        kind = type(error).__name__
        note(f"Error: unforeseen {kind}: {message(error)}. Run again with --debug and report it.")
        return 70
    note(f"{'Not met' if code == 1 else 'Error'}: {message(error)}")
    return code


def _detach_stdout() -> None:
    """Keep Python from flushing into a pipe whose reader has gone."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the process's own command line."""
    sys.exit(invoke(sys.argv[1:]))


if __name__ == "__main__":
    main()
