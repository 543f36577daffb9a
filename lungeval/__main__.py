"""`python -m lungeval`."""

from lungeval.cli import main

if __name__ == "__main__":
    main()
