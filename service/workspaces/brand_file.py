"""Brand files: a brand as YAML, the same keys as over HTTP."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from prompts.brand import Brand
from prompts.brief_limits import validate_brand
from service.errors import InvalidInput


def load_brand(path: Path) -> Brand:
    """Read and check a brand file.

    Raises `InvalidInput` for a file that is missing, no YAML or holds an unknown key, and
    `prompts.errors.BriefError` for a brand that no copy could follow.
    """
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"brand {path} does not exist: give the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"brand {path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidInput(f"brand {path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        brand = msgspec.convert(document, Brand)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise InvalidInput(f"brand {path}: {error}") from error
    validate_brand(brand)
    return brand


def as_yaml(brand: Brand) -> str:
    """Write a brand as the YAML that `load_brand` reads, every field with its value."""
    return yaml.safe_dump(msgspec.to_builtins(brand), sort_keys=False, allow_unicode=True, width=100)
