"""Who did what, when and from where: a record that only grows."""
