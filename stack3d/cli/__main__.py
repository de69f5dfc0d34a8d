"""``python -m stack3d.cli``."""

from stack3d.cli import main

if __name__ == "__main__":
    main()
