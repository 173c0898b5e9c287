"""Units of a campaign, written by hand."""

from prompts.brief import Audience, Brief, Product
from prompts.variant import Provenance, Variant
from service.campaigns.model import Row, Unit, rows_of, unit_digest


def unit(place: int, n: int = 2) -> tuple[Unit, list[Row]]:
    brief = Brief(
        channel="sms", product=Product(id=f"i{place}", title="Trowel"), audience=Audience(name="all"), n=n
    )
    made = Unit(
        custom_id=f"all/i{place}/sms",
        segment="all",
        item_id=f"i{place}",
        brief=brief,
        audience=brief.audience,
        digest=unit_digest(brief, "p", "m"),
    )
    provenance = Provenance(
        prompt="sms/pocket.v1", prompt_digest="p", engine="e", model="m", seed=0, attempts=1
    )
    variants = [
        Variant(
            id=f"{place}-{k}",
            status="passed",
            fields={"text": f"Dig {k} “now”"},
            checks=(),
            provenance=provenance,
        )
        for k in range(n)
    ]
    return made, rows_of("spring", made, variants)
