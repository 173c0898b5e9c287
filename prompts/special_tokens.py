"""The strings that chat templates and tokenizers read as their own: told from text, and kept out of data.

A special token that stands in a prompt's text may become one token, which opens a role or ends a message
whatever the text around it says. Nearly all are written with angle brackets; the rest, such as `[INST]` or
`[UNUSED_TOKEN_145]`, in square brackets or between three bars.
"""

import re

_BRACKETS = "<>\uff1c\uff1e\ufe64\ufe65"
"""Angle brackets, and the wide and small ones that a tokenizer's NFKC turns into them."""
_SQUARE = (
    r"[\[\uff3b\ufe47](?=\s*/?\s*(?:[A-Z\uff21-\uff3a][A-Z0-9_\uff21-\uff3a\uff3f]*|[gs]MASK|unused\d+)"
    r"\s*[\]\uff3d\ufe48])"
)
_UNSAFE = re.compile(rf"[{_BRACKETS}]|{_SQUARE}|\|(?=\|\|)")

_TOKEN = re.compile(
    r"<\s*[|｜][^<>\n]{0,80}[|｜]\s*>|<<?/?SYS>>?|</?(?:s|bos|eos|pad|unk|user|system|assistant)>"
    r"|</?(?:start|end)_of_(?:turn|text|role)>|<reserved_\d+>|<0x[0-9A-F]{2}>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|UNUSED_TOKEN_\d+|[gs]MASK)\]"
    r"|\|\|\|[A-Z_]+\|\|\|"
)


def escape(quoted: str) -> str:
    r"""Rewrite a JSON text so that it spells no special token, and reads back as the same text.

    Bracket characters become JSON's own escapes, `\u003c` for `<`; everything else stays.
    """
    return _UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def find(text: str) -> re.Match[str] | None:
    """Find the first special token of a known chat template in a text that an author wrote."""
    return _TOKEN.search(text)
