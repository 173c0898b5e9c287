"""Reports as one HTML file each: sections of blocks, drawn without scripts, readable offline and on paper."""
