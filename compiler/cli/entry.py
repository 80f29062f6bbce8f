"""Entry points of the console scripts: light, as importing what a command needs takes a second or more.

A ctrl-C in that second ends the process and does not raise: there is nothing yet to clean up, and a library that is
being imported may make something else of a KeyboardInterrupt.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from compiler.cli import INTERRUPTED, say


@contextmanager
def importing() -> Iterator[None]:
    """What `guarded` is for a command, for its imports: one line, one exit code. An ignored ctrl-C stays ignored."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, _end)
    yield
    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    say("interrupted")
    os._exit(INTERRUPTED)


def bscc() -> int:
    """`bscc`."""
    with importing():
        from compiler.cli.compile import main
    return main()


def bscc_opt() -> int:
    """`bscc-opt`."""
    with importing():
        from compiler.cli.opt import main
    return main()


def bscc_quantize() -> int:
    """`bscc-quantize`."""
    with importing():
        from compiler.cli.quantize import main
    return main()


def bscc_sparsify() -> int:
    """`bscc-sparsify`, which needs PyTorch."""
    with importing():
        from training.talk import begin

        begin()
        from compiler.cli.sparsify import main
    return main()


def bscc_sim() -> int:
    """`bscc-sim`."""
    with importing():
        from compiler.cli.simulate import main
    return main()


def bscc_asm() -> int:
    """`bscc-asm`."""
    with importing():
        from compiler.cli.assemble import main
    return main()
