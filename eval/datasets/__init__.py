"""Mappings of public data sets, by path and never their data, and the shop this project invents."""
