"""How fast and how large: each part beside what it is compared with, in the same run."""
