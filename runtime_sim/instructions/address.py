"""Address generation: where a memory instruction goes, and what becomes of its pointer and counters.

Steps in two and three dimensions: UG1583 "Addressing intrinsics" (add_2d, add_3d); increments replace each other,
they do not add up.  Pointers have 20 bits and wrap around.
"""

from runtime_sim.instructions.operands import POINTER_MASK, Inputs, Outputs

COUNTERS = "mod:count"


def address(inputs: Inputs) -> tuple[int, Outputs, tuple[int, ...]]:
    """(address, what is written to roles, the new counters)."""
    mode = inputs.instruction.opcode.addressing
    if mode == "sp":
        return (inputs.scalar("@sp") + inputs.number("imm")) & POINTER_MASK, {}, ()
    pointer = inputs.scalar("ptr")
    if mode == "imm":
        return (pointer + inputs.number("imm")) & POINTER_MASK, {}, ()
    if mode == "dj":
        return (pointer + inputs.scalar("mod")) & POINTER_MASK, {}, ()
    step, counters = _step(mode, inputs)
    return pointer, {"ptr": (pointer + step) & POINTER_MASK}, counters


def _step(mode: str, inputs: Inputs) -> tuple[int, tuple[int, ...]]:
    """What is added to the pointer, and the new counters."""
    if mode == "post_imm":
        return inputs.number("imm"), ()
    if mode == "post_m":
        return inputs.scalar("mod"), ()
    wrap, size, increment, count, *outer = (value for value in inputs.values["mod"] if isinstance(value, int))
    if count < size:
        return increment, (count + 1, *outer[3:])
    if mode == "2d":
        return wrap, (0,)
    _, size, increment, count = outer
    return (increment, (0, count + 1)) if count < size else (wrap, (0, 0))
