"""`python -m service.llm.pocket`: train the embedded model, and measure it."""

from service.llm.pocket.commands import main

if __name__ == "__main__":
    main()
