"""What libraries say of themselves, which is no news to the user of a command."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import warnings

LOGGERS = ("torchao", "torch.onnx", "torch.utils._pytree", "torch.utils.flop_counter")


def hush_libraries() -> None:
    """For commands: kernels for GPUs that are not there, operators of packages that are not installed, old names.

    PyTorch sets the levels of its loggers when it is imported, so it is imported here.
    """
    importlib.import_module("torch")
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    # Of networks with one channel in several processes, whose strides mean the same either way.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"copyreg|torch")


def begin() -> None:
    """What a command of training does before it imports anything that needs PyTorch; ends it where there is none."""
    if importlib.util.find_spec("torch") is None:
        text = "error[no-torch]: training needs PyTorch, which is not installed\n  help: pip install 'bscc[train]'"
        print(text, file=sys.stderr)
        sys.exit(2)
    hush_libraries()
