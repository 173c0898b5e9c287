"""The corpus generator's phrases, as data: one file per tone, one shared by all, one on interests."""
