"""`python -m tsrl` is the `tsrl` command."""

from tsrl.cli import main

if __name__ == "__main__":
    main()
