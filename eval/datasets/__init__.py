"""Public data sets, described and read by path, never their data; and the shop this project invents."""
