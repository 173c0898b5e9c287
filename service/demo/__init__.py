"""The demo: an invented shop, three audiences, a small campaign and a server, in one command."""
