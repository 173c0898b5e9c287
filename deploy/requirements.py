"""Print what the project and the extras named need, one requirement a line; the project is not installed."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = [each for name in sys.argv[1:] for each in project["optional-dependencies"][name]]
print("\n".join([*project["dependencies"], *extras]))
