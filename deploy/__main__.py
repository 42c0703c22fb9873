"""`python -m deploy` is `burnline`."""

from deploy.cli import main

if __name__ == "__main__":
    main()
