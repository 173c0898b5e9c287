"""`pitchwright traits`: keys of encrypted traits, and the traits brought to what the settings say."""

from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.profiles.sealing import Rotation
    from service.runtime import Runtime


@click.group()
def traits() -> None:
    """Encrypt chosen traits in the store: PITCHWRIGHT_ENCRYPTED_TRAITS, PITCHWRIGHT_TRAIT_KEYS.

    Example: pitchwright traits rotate
    """


@traits.command()
@json_option
def key(as_json: bool) -> None:
    """Print a new key for PITCHWRIGHT_TRAIT_KEYS. It is stored nowhere.

    Example: pitchwright traits key
    """
    from cryptography.fernet import Fernet

    text = Fernet.generate_key().decode()
    if as_json:
        print_json({"key": text})
    else:
        note("Put it first in PITCHWRIGHT_TRAIT_KEYS. Whoever loses it loses what is encrypted with it.")
        click.echo(text)


@traits.command()
@json_option
def rotate(as_json: bool) -> None:
    """Store every profile's traits as the settings say now: what is encrypted, and with the newest key.

    With a key, secrets of webhooks are encrypted, whatever the names of traits are.

    All workspaces. Killed, it goes on where it was when it is run again.

    Example: pitchwright traits rotate
    """
    with Progress(quiet=as_json) as progress:

        async def work(runtime: "Runtime") -> "Rotation":
            from service.audit.actions import record_command
            from service.profiles.sealing import rotate_traits
            from service.workspaces.actions import ensure_workspace

            done = await rotate_traits(runtime, progress)
            workspace = (await ensure_workspace(runtime, runtime.settings.workspace)).id
            told = {"key": done.key or "none", "rewritten": str(done.rewritten), "secrets": str(done.secrets)}
            await record_command(runtime, workspace, "traits rotate", **told)
            return done

        done = run(work)
    if as_json:
        print_json(done)
        return
    counts = (f"{done.profiles:,}", f"{done.rewritten:,}", f"{done.secrets:,}")
    row = (*counts, done.key or "none", ", ".join(done.retired) or "none")
    print_table(("profiles", "rewritten", "secrets", "key", "retired keys"), [row])
    if not done.compacted:
        note("A reader held the old state: run it again, so that the database file forgets old pages.")
