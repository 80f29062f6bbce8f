"""Addresses, loops, jumps, banks, locks and faults of a core; each in both interpreters."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.encoding.isa import assemble
from compiler.errors import SimulationFault
from runtime_sim.instructions import CoreMemory, CoreState, Locks, Result, Settings, Status, open_core, run_program
from runtime_sim.instructions.lanes import Bytes

OWN = 0x70000
BANK = 0x4000
NOP = ["nop"]
both = pytest.mark.parametrize("fast", [False, True], ids=["reference", "compiled"])


def run(lines: list[str], fast: bool, state: CoreState | None = None, memory: Bytes | None = None) -> Result:
    program = assemble("\n".join([*lines, "done"])).bytes
    return run_program(program, np.zeros(0x10000, np.uint8) if memory is None else memory, fast=fast, state=state)


def with_registers(**values: int) -> CoreState:
    state = CoreState()
    for name, value in values.items():
        state[name] = value
    return state


@both
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lda r1, [p0], #-4", OWN + 60),
        ("lda r1, [p0], m0", OWN + 96),
        ("lda r1, [p0, #4]", OWN + 64),
        ("lda r1, [p0, dj0]", OWN + 64),
        ("padda [p0], m1", OWN + 32),
        ("paddb [p0], #8", OWN + 72),
        ("padds [p0], m0", OWN + 96),
    ],
)
def test_pointers(line: str, expected: int, fast: bool) -> None:
    state = with_registers(p0=OWN + 64, m0=32, m1=-32, dj0=4)
    memory = np.arange(0x4000, dtype=np.int32).view(np.uint8)
    result = run([line, *NOP * 7], fast, state, memory)
    assert result.state["p0"] == expected
    if "[p0," in line:
        assert result.state["r1"] == 17


@both
def test_two_dimensions(fast: bool) -> None:
    """Steps of 4 three times, then one of 100, which stands instead of the step and not beside it."""
    state = with_registers(p0=OWN, m1=100, dn1=3, dj1=4, r1=0)
    result = run(["padda.2d [p0], d1"] * 6, fast, state)
    assert result.state["p0"] == OWN + 3 * 4 + 100 + 2 * 4
    assert result.state["dc1"] == 2


@both
def test_three_dimensions(fast: bool) -> None:
    """The inner loop steps by dj0, the middle one by dj4, the outer one by m0; of 2 x 3 steps."""
    state = with_registers(p0=OWN, m0=1000, dn0=1, dj0=4, dn4=2, dj4=100)
    walked = [OWN]
    for steps in range(1, 8):
        fresh = with_registers(p0=OWN, m0=1000, dn0=1, dj0=4, dn4=2, dj4=100)
        walked.append(run(["paddb.3d [p0], d0"] * steps, fast, fresh).state["p0"])
    assert np.diff(walked).tolist() == [4, 100, 4, 100, 4, 1000, 4]
    result = run(["paddb.3d [p0], d0"] * 7, fast, state)
    assert (result.state["dc0"], result.state["dc4"]) == (1, 0)


@both
def test_pointers_wrap_at_20_bits(fast: bool) -> None:
    assert run(["padda [p0], m0"], fast, with_registers(p0=16, m0=-32)).state["p0"] == 0xFFFF0


LOOP = ["movxm ls, #.first", "movxm le, #.last", "movx r1, #0; add.nc lc, r5, #0", *NOP * 6]


@both
@pytest.mark.parametrize("count", [1, 2, 7])
def test_hardware_loop(count: int, fast: bool) -> None:
    body = [".first: add r1, r1, #1", ".last: add r2, r2, #10"]
    result = run([*LOOP, *body], fast, with_registers(r5=count))
    assert (result.state["r1"], result.state["r2"], result.state["lc"]) == (count, 10 * count, 0)
    assert result.cycles == len(LOOP) + 2 * count + 1


@both
def test_loop_of_one_bundle(fast: bool) -> None:
    lines = ["movxm ls, #.both", "movxm le, #.both", "add.nc lc, r5, #0", *NOP * 6, ".both: add r1, r1, #1"]
    assert run(lines, fast, with_registers(r5=9)).state["r1"] == 9


@both
@pytest.mark.parametrize("near", [6, 7])
def test_loop_registers_are_set_in_time(near: int, fast: bool) -> None:
    lines = ["movxm ls, #.first", "movxm le, #.last", "add.nc lc, r5, #0", *NOP * (near - 2)]
    lines += [".first: add r1, r1, #1", ".last: add r2, r2, #10"]
    state = with_registers(r5=3)
    if near == 7:
        assert run(lines, fast, state).state["r1"] == 3
    else:
        with pytest.raises(SimulationFault, match="core-loop"):
            run(lines, fast, state)


@both
@pytest.mark.parametrize(
    ("jump", "setup", "taken"),
    [
        ("j #.target", {}, True),
        ("jz r7, #.target", {"r7": 0}, True),
        ("jz r7, #.target", {"r7": 5}, False),
        ("jnz r7, #.target", {"r7": 5}, True),
        ("jnz r7, #.target", {"r7": 0}, False),
        ("j p2", {"p2": 8 * 16}, True),
        ("jnzd r8, r7, p2", {"p2": 8 * 16, "r7": 1}, True),
        ("jnzd r8, r7, p2", {"p2": 8 * 16, "r7": 0}, False),
        ("ret lr", {"lr": 8 * 16}, True),
        ("jl #.target", {}, True),
        ("jl p2", {"p2": 8 * 16}, True),
    ],
)
def test_five_delay_slots(jump: str, setup: dict[str, int], taken: bool, fast: bool) -> None:
    lines = [jump, *["add r1, r1, #1"] * 7, ".target: add r2, r2, #1"]
    state = run(lines, fast, with_registers(**setup)).state
    assert (state["r1"], state["r2"]) == (5 if taken else 7, 1)
    if "jnzd" in jump:
        assert state["r8"] == (setup["r7"] - 1) & 0xFFFFFFFF
    if jump.startswith("jl"):
        assert state["lr"] == 6 * 16


@both
@pytest.mark.parametrize(
    ("lines", "stalls"),
    [
        (["vldb wl0, [p0, #0]; vlda wl2, [p1, #0]"], 0),
        (["vldb wl0, [p0, #0]; vlda wl2, [p2, #0]"], 1),
        (["vldb wl0, [p0, #0]; vlda wl2, [p0, #0]"], 1),
        (["vldb wl0, [p0, #0]; vlda wl2, [p2, #0]; vst wl4, [p3, #0]"], 2),
        (["vldb wl0, [p0, #0]; vlda wl2, [p1, #0]; vst wl4, [p3, #0]"], 1),
        (["lda r1, [p0, #0]; st r2, [p0, #16]"], 0),  # the two halves of a bank
        (["lda r1, [p0, #0]; st r2, [p0, #32]"], 1),
        (["vldb wl0, [p0, #0]; lda r1, [p0, #16]"], 1),
        (["vldb wl0, [p0, #0]", "vlda wl2, [p0, #0]"], 0),
        (["vst.srs.s8.s32 cm0, s0, [p0, #0]", "nop", "vldb wl0, [p2, #0]"], 1),  # 7 and 5 cycles deep
        (["vst.srs.s8.s32 cm0, s0, [p0, #0]", "vldb wl0, [p2, #0]"], 0),
        (["vldb wl0, [p0, #0]; vlda wl2, [p4, #0]"], 0),  # the same bank of another memory
    ],
)
def test_bank_conflicts(lines: list[str], stalls: int, fast: bool) -> None:
    state = with_registers(p0=OWN, p1=OWN + BANK, p2=OWN + 0x100, p3=OWN + 0x200, p4=0x60000)
    memory = CoreMemory.of(np.zeros(0x10000, np.uint8), north=np.zeros(0x10000, np.uint8))
    program = assemble("\n".join([*lines, *NOP * 10, "done"])).bytes
    result = run_program(program, memory, fast=fast, state=state)
    assert result.bank_stalls == stalls
    assert result.cycles == len(lines) + 11 + stalls


@both
def test_neighbours(fast: bool) -> None:
    """The four windows are four memories."""
    names = ("own", "south", "west", "north")
    windows = {name: np.full(0x10000, place + 1, np.uint8) for place, name in enumerate(names)}
    lines = [f"lda.u8 r{place}, [p{place}, #0]" for place in range(4)]
    lines += [*NOP * 7, *(f"st r{place}, [p{place}], #4" for place in range(4)), *NOP * 5, "done"]
    state = with_registers(p0=0x70000, p1=0x40000, p2=0x50000, p3=0x60000)
    result = run_program(assemble("\n".join(lines)).bytes, CoreMemory(windows), fast=fast, state=state)
    assert [result.state[f"r{place}"] for place in range(4)] == [1, 2, 3, 4]
    assert [int(windows[name][:4].view(np.uint32)[0]) for name in names] == [1, 2, 3, 4]


class Semaphores:
    """Locks as the hardware keeps them, by the core's numbers."""

    def __init__(self, **values: int) -> None:
        self.values = {int(name.removeprefix("lock")): value for name, value in values.items()}

    def acquire(self, lock: int, value: int) -> bool:
        have = self.values.setdefault(lock, 0)
        if value < 0 and have >= -value:
            self.values[lock] = have + value
            return True
        return value >= 0 and have == value

    def release(self, lock: int, value: int) -> None:
        self.values[lock] = self.values.get(lock, 0) + value


@both
def test_locks(fast: bool) -> None:
    locks: Locks = Semaphores(lock48=1)
    lines = ["acq #48, r1", *NOP * 3, "rel #49, r2", *NOP * 3, "acq #50, r1", "movx r9, #7", "done"]
    state = with_registers(r1=-1, r2=2)
    memory = CoreMemory.of(np.zeros(0x10000, np.uint8))
    core = open_core(assemble("\n".join(lines)).bytes, memory, fast=fast, locks=locks, state=state)
    first = core.run()
    assert (first.status, first.blocked_lock, first.cycles, first.lock_stalls) == (Status.BLOCKED, 50, 10, 2)
    assert isinstance(locks, Semaphores)
    assert locks.values == {48: 0, 49: 2, 50: 0}
    assert core.run().status is Status.BLOCKED
    locks.values[50] = 3
    last = core.run()
    assert (last.status, last.cycles, last.lock_stalls, last.bundles) == (Status.DONE, 14, 3, 11)
    assert core.state["r9"] == 7
    assert locks.values[50] == 2


@both
@pytest.mark.parametrize(
    ("lines", "legal"),
    [
        (["lda r4, [p0, #0]", *NOP * 3, "rel #48, r1"], True),
        (["lda r4, [p0, #0]", *NOP * 2, "rel #48, r1"], False),
        (["vst.srs.s8.s32 cm0, s0, [p0, #0]", *NOP * 5, "rel #48, r1"], True),
        (["vst.srs.s8.s32 cm0, s0, [p0, #0]", *NOP * 4, "rel #48, r1"], False),
        (["acq #48, r1", *NOP * 3, "lda r4, [p0, #0]"], True),
        (["acq #48, r1", *NOP * 2, "lda r4, [p0, #0]"], False),
        (["acq #48, r1", *NOP * 1, "vst.srs.s8.s32 cm0, s0, [p0, #0]"], True),
        (["acq #48, r1", "vst.srs.s8.s32 cm0, s0, [p0, #0]"], False),
        (["rel #48, r1", "lda r4, [p0, #0]"], True),
        (["rel #48, r1", *NOP * 3, "acq #48, r1"], True),
        (["rel #48, r1", *NOP * 2, "acq #48, r1"], False),
    ],
)
def test_lock_distances(lines: list[str], legal: bool, fast: bool) -> None:
    program = assemble("\n".join([*lines, *NOP * 8, "done"])).bytes
    state, memory = with_registers(p0=OWN), np.zeros(0x10000, np.uint8)
    if legal:
        assert run_program(program, memory, fast=fast, state=state).status is Status.DONE
        return
    with pytest.raises(SimulationFault, match="core-lock"):
        run_program(program, memory, fast=fast, state=state)
    lenient = Settings(check_locks=False)
    fresh = with_registers(p0=OWN)
    assert run_program(program, memory, fast=fast, state=fresh, settings=lenient).status is Status.DONE


@both
@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["vldb wl0, [p0, #0]"], "core-align"),
        (["lda r0, [p1, #0]"], "core-align"),
        (["lda r0, [p2, #0]"], "core-address"),
        (["st r0, [p3, #0]"], "core-address"),
        (["vmul cm0, x0, x1, r1"], "core-multiply"),
        (["vsrs.s8.s32 wl0, cm0, s1"], "core-shift"),
        (["mov crRnd, #5", "vsrs.s8.s32 wl0, cm0, s0"], "core-rounding"),
        (["mov crSat, #2", "vsrs.s8.s32 wl0, cm0, s0"], "core-saturation"),
        (["vshuffle x0, x1, x2, r1"], "core-shuffle"),
        (["vshift x0, x1, x2, r2"], "core-shift"),
        (["lshl r0, r0, r2"], "core-shift"),
        (["j #0", "j #0"], "core-branch"),
        (["j #32000", *NOP * 6], "core-pc"),
        (["vabs_gtz.s8 x0, r17:r16, x1"], "core-opcode"),
        (["mul r5, r0, r0", "add r5, r0, r0"], "core-write"),
        (["movxm lc, #3", *NOP * 9], "core-loop"),
    ],
)
def test_faults(lines: list[str], code: str, fast: bool) -> None:
    state = with_registers(p0=OWN + 16, p1=OWN + 2, p2=0x30000, p3=0x60000, r1=60, r2=64, s1=60)
    with pytest.raises(SimulationFault) as caught:
        run([*lines, *NOP * 8], fast, state)
    assert caught.value.diagnostic.code == code
    assert str(caught.value).startswith("core at 0x")


@both
def test_words_that_are_none(fast: bool) -> None:
    memory = np.zeros(0x10000, np.uint8)
    nop = assemble("nop").bytes
    with pytest.raises(SimulationFault, match="core-word"):
        run_program(nop + b"\xff" * 16, memory, fast=fast)
    with pytest.raises(SimulationFault, match="core-pc"):
        run_program(nop, memory, fast=fast)
    with pytest.raises(SimulationFault, match="core-program"):
        run_program(nop * 1025, memory, fast=fast)


@both
def test_the_end_of_a_loop_in_a_delay_slot(fast: bool) -> None:
    body = [".first: j #.first", "nop", ".last: nop"]
    with pytest.raises(SimulationFault, match="core-branch"):
        run([*LOOP, *body, *NOP * 6], fast, with_registers(r5=2))


def test_registers_that_were_never_written() -> None:
    program = assemble("add r1, r2, r3\ndone").bytes
    strict = Settings(check_undefined=True)
    with pytest.raises(SimulationFault, match="register r2 is read and was never written"):
        run_program(program, np.zeros(0x10000, np.uint8), settings=strict)
    given = with_registers(r2=1, r3=1)
    assert run_program(program, np.zeros(0x10000, np.uint8), settings=strict, state=given).state["r1"] == 2


def test_trace() -> None:
    result = run_program(
        assemble("mova r1, #5\ndone").bytes, np.zeros(0x10000, np.uint8), settings=Settings(trace=True)
    )
    assert [(one.cycle, one.pc) for one in result.trace] == [(0, 0), (1, 16)]
    assert "mova r1, #5" in result.trace[0].text


@both
def test_limit_and_resume(fast: bool) -> None:
    program = assemble("\n".join([*["add r1, r1, #1"] * 9, "done"])).bytes
    core = open_core(program, CoreMemory.of(np.zeros(0x10000, np.uint8)), fast=fast)
    first = core.run(4)
    assert (first.status, first.cycles, first.state["r1"]) == (Status.LIMIT, 4, 4)
    last = core.run(100)
    assert (last.status, last.cycles, last.state["r1"], last.slots) == (Status.DONE, 10, 9, {"alu": 10})


CONVOLUTION = """
    movxm ls, #.first
    movxm le, #.last
    add.nc lc, r5, #3
    nop
    nop
    nop
.first: vldb wl0, [p1], m0; lda.2d m0, [p2], d2; vmac cm0, cm0, x0, x10, r0
    vldb wl0, [p1], #32; vmac cm1, cm1, x0, x10, r0
    vldb wl0, [p1], #32; vlda wl8, [p0], #32; vmov x10, x8; vmac cm2, cm2, x0, x10, r0
.last: vldb wl0, [p1], #32; vlda.2d wh8, [p0], d1; vmac cm3, cm3, x0, x10, r0
    nop
    nop
    nop
    nop
    done
"""


@both
def test_one_multiply_a_cycle(fast: bool) -> None:
    """Four pixel groups times sparse 8x8 blocks: weights, activations and a table of steps from memory, no stall."""
    blocks, rng = 9, np.random.default_rng(3)
    memory = rng.integers(0, 256, 0x10000).astype(np.uint8)
    starts = rng.integers(0, 100, blocks + 1) * 32 + 0x400
    table = (starts[1:] - starts[:-1] - 96).astype(np.int32)
    memory[0x2000 : 0x2000 + 4 * blocks] = table.view(np.uint8)
    # The loop runs three rounds ahead of the multiplies, whose weights are zeros until then.
    state = with_registers(p0=OWN, p1=OWN + BANK + int(starts[0]) - 96, p2=OWN + 0x2000, r0=776, r5=blocks)
    for part, value in {"dn1": blocks - 1, "dj1": 32, "m1": -(64 * blocks - 32)}.items():
        state[part] = value
    for part, value in {"dn2": blocks - 1, "dj2": 4, "m2": -4 * (blocks - 1)}.items():
        state[part] = value
    result = run_program(assemble(CONVOLUTION).bytes, memory, fast=fast, state=state)
    assert result.bank_stalls == 0
    assert result.cycles == 6 + 4 * (blocks + 3) + 5
    weights = memory[: 64 * blocks].view(np.int8).reshape(blocks, 8, 8).astype(np.int64)
    acts = memory[BANK:].view(np.int8).astype(np.int64)
    for group in range(4):
        at = [int(start) + 32 * group for start in starts[:blocks]]
        expected = sum(acts[a : a + 32].reshape(4, 8) @ weights[k] for k, a in enumerate(at))
        found = result.state.vector(f"cm{group}").view(np.int32).reshape(4, 8)
        np.testing.assert_array_equal(found, expected)
