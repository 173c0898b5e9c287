"""The application: HTTP, command line, storage, engines and jobs."""
