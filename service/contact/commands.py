"""`pitchwright contact` and `segment reach`: the rules on whom may be written to, and what they leave."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from service.console import Usage, json_option, note, print_json, print_table, run

if TYPE_CHECKING:
    from service.contact.model import ContactPolicy, Reach, Removed
    from service.runtime import Runtime

REACH_HEADER = ("", "members")
_CAP = re.compile(r"([a-z]+)=(\d{1,4})/(\d{1,3})d")


@click.group()
def contact() -> None:
    """Say whom may be written to: which channels need consent, frequency caps, a holdout.

    Example: pitchwright contact set --cap email=2/7d --holdout 0.05
    """


@contact.command()
@json_option
def show(as_json: bool) -> None:
    """Print the workspace's rules on whom it writes to.

    Example: pitchwright contact show
    """

    async def work(runtime: "Runtime") -> "ContactPolicy":
        from service.contact.actions import get_policy

        return await get_policy(runtime, runtime.settings.workspace)

    _show(run(work), as_json=as_json)


@contact.command("set")
@click.option("--opt-in", multiple=True, metavar="CHANNEL", help="Only who consented is written to here.")
@click.option("--opt-out", multiple=True, metavar="CHANNEL", help="Everybody is who did not decline.")
@click.option("--cap", "caps", multiple=True, metavar="CHANNEL=N/DAYSd", help="At most N messages in DAYS.")
@click.option("--no-caps", is_flag=True, help="Drop the caps there are, before those given here.")
@click.option("--holdout", type=float, help="Share of all profiles that is never written to, 0 to 0.5.")
@json_option
def set_(
    opt_in: tuple[str, ...],
    opt_out: tuple[str, ...],
    caps: tuple[str, ...],
    no_caps: bool,
    holdout: float | None,
    as_json: bool,
) -> None:
    """Change the rules; what is not named stays.

    Example: pitchwright contact set --cap email=2/7d --holdout 0.05
    """
    read = [_CAP.fullmatch(text) for text in caps]
    for text, found in zip(caps, read, strict=True):
        if found is None:
            raise Usage(f"--cap {text!r} cannot be read: write e.g. email=2/7d")

    async def work(runtime: "Runtime") -> "ContactPolicy":
        from service.audit.actions import record_command
        from service.contact.actions import get_policy, set_policy
        from service.contact.model import ContactPolicy, FrequencyCap, checked_channel

        workspace = runtime.settings.workspace
        before = await get_policy(runtime, workspace)
        added = tuple(
            FrequencyCap(channel=found[1], most=int(found[2]), days=int(found[3])) for found in read if found
        )
        kept = () if no_caps else tuple(cap for cap in before.caps if cap not in added)
        no_longer = {checked_channel(channel) for channel in opt_out}
        policy = await set_policy(
            runtime,
            workspace,
            ContactPolicy(
                opt_in=tuple(each for each in (*before.opt_in, *opt_in) if each not in no_longer),
                caps=(*kept, *added),
                holdout=before.holdout if holdout is None else holdout,
            ),
        )
        await record_command(runtime, workspace, "contact set")
        return policy

    _show(run(work), as_json=as_json)


@click.command()
@click.argument("name")
@click.option("--channel", required=True, help="Where they are to be written to.")
@json_option
def reach(name: str, channel: str, as_json: bool) -> None:
    """Count whom of the audience NAME may be written to on a channel, and whom each rule removes.

    Example: pitchwright segment reach gardeners --channel email
    """

    async def work(runtime: "Runtime") -> "Reach":
        from service.contact.actions import reach_segment

        return await reach_segment(runtime, runtime.settings.workspace, name, channel)

    found = run(work)
    if as_json:
        print_json(found)
        return
    rows = [(f"removed: {each.rule.replace('_', ' ')}", f"{each.removed:,}") for each in found.removed]
    whole, left = ("audience", f"{found.audience:,}"), ("may be written to", f"{found.allowed:,}")
    print_table(REACH_HEADER, [whole, *rows, left])
    note(f"Members as of {found.as_of:%Y-%m-%d %H:%M} UTC; consent and messages as they are now.")


def removed_text(removed: "Iterable[Removed]") -> str:
    """Say in a line which rules removed how many; empty when none did."""
    return ", ".join(f"{each.removed:,} {each.rule.replace('_', ' ')}" for each in removed if each.removed)


def _show(policy: "ContactPolicy", *, as_json: bool) -> None:
    if as_json:
        print_json(policy)
        return
    caps = ", ".join(f"{cap.channel}={cap.most}/{cap.days}d" for cap in policy.caps)
    rows = [("opt-in", ", ".join(policy.opt_in)), ("caps", caps), ("holdout", f"{policy.holdout:g}")]
    print_table(("rule", "is"), rows)
