"""`python -m halfstep` is the `halfstep` command."""

import sys


def main() -> None:
    """Run the command; Ctrl-C prints one line even while modules are still being imported."""
    try:
        from halfstep.cli.main import main as command

        command()
    except KeyboardInterrupt:
        print("halfstep: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
