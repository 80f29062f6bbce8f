"""The resnet8 network of `training.nets`, dense and sparse: `python -m training.examples.resnet8 --help`."""

from __future__ import annotations

import sys

from training.examples.command import main
from training.nets import resnet8

if __name__ == "__main__":
    sys.exit(main(resnet8))
