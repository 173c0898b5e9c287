"""What is known of an audience, in words that can be encoded."""

from prompts.brief import Audience


def audience_text(audience: Audience) -> str:
    """Say what is known of the audience in words: its interest and its description; empty for everyone."""
    return ". ".join(text.strip() for text in (audience.interest or "", audience.description) if text.strip())
