"""What the demo shows."""

import msgspec

from indexing.describe import Description
from service.campaigns.model import Row


class DemoAudience(msgspec.Struct, frozen=True, kw_only=True):
    """One audience of the demo."""

    name: str
    by: str
    """How it is defined: `like`, `rule` or `example`."""
    definition: dict[str, object]
    size: int
    population: int
    share: float
    description: Description


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """The whole demo, also its JSON document."""

    workspace: str
    seed: int
    snapshot: str
    data_dir: str
    items: int
    profiles: int
    events: int
    audiences: tuple[DemoAudience, ...]
    variants: tuple[Row, ...]
    seconds: dict[str, float]
    """Per stage; `reused` stages take next to nothing."""
    reused: tuple[str, ...]
    """Stages whose result was there already."""
    engine: str
