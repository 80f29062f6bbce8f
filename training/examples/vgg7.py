"""The vgg7 network of `training.nets`, dense and sparse: `python -m training.examples.vgg7 --help`."""

from __future__ import annotations

import sys

from training.examples.command import main
from training.nets import vgg7

if __name__ == "__main__":
    sys.exit(main(vgg7))
