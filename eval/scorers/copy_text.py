"""The text of a variant as scorers read it."""

from prompts.variant import Variant


def parts(variant: Variant) -> list[str]:
    """List every non-empty text of the variant's fields, in the channel's order; empty when malformed."""
    texts: list[str] = []
    for value in variant.fields.values():
        texts.extend([value] if isinstance(value, str) else value)
    return [text.strip() for text in texts if text.strip()]


def whole(variant: Variant) -> str:
    """Join the variant's copy into one text, one line per part; empty when malformed."""
    return "\n".join(parts(variant))
