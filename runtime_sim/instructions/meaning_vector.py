"""What the vector instructions compute, by opcode name; those without an entry are not implemented.

Sources: `multiply`, `rounding` and `permute` name theirs; comparisons and selection are those of aiev2_vadd.h in
Xilinx/llvm-aie, insertion and extraction those of aiev2_scl2vec.h.  What the `neg` forms negate is read off their
encoding: the bit that `vmsc` and `vnegmul` have negates products, the bit that `vneg` has negates the accumulator.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from runtime_sim.instructions.lanes import Bytes, Lanes, lanes, mask_bits, pack_lanes
from runtime_sim.instructions.meaning_scalar import Meaning
from runtime_sim.instructions.multiply import add_accumulators, multiply
from runtime_sim.instructions.operands import Inputs, Outputs
from runtime_sim.instructions.permute import broadcast, select, shift_bytes, shuffle
from runtime_sim.instructions.rounding import pack, srs, unpack, ups

ACC_BYTES = 128
_PRODUCTS = {"VMUL": False, "VNEGMUL": True}
# (products negated, accumulator negated)
_SUMS = {"VMAC": (False, False), "VMSC": (True, False), "VNEGMAC": (True, True), "VNEGMSC": (False, True)}
_COPIES = ("WL_WL", "WL_WH", "WL_AM", "WH_WL", "WH_WH", "WH_AM", "AM_WL", "AM_WH", "AM_AM", "X_X", "X_BM", "BM_X")
MOVES = tuple(f"VMOV_{name}" for name in (*_COPIES, "BM_BM", "CM", "D"))


def _product(negate: bool) -> Meaning:
    return lambda i: {"dst": multiply(i.scalar("conf"), i.vector("a"), i.vector("b"), None, negate)}


def _sum(negate: bool, negate_acc: bool) -> Meaning:
    def meaning(i: Inputs) -> Outputs:
        a, b, acc = i.vector("a"), i.vector("b"), i.vector("acc")
        return {"dst": multiply(i.scalar("conf"), a, b, acc, negate, negate_acc)}

    return meaning


def _accumulators(negate: bool, negate_second: bool) -> Meaning:
    def meaning(i: Inputs) -> Outputs:
        return {"dst": add_accumulators(i.scalar("conf"), i.vector("a"), i.vector("b"), negate, negate_second)}

    return meaning


def _copy(i: Inputs) -> Outputs:
    return {"dst": i.vector("src")}


def is_signed(sign: str, i: Inputs, control: str) -> bool:
    """Whether an s or d form means signed numbers: the d form asks a control register."""
    return sign == "S" or bool(i.control(control))


def srs_meaning(form: str, role: str) -> Meaning:
    """`D8_S32`: 8 bits from 32-bit lanes, sign by control register."""
    sign, bits, acc_bits = form[0], int(form[1:].split("_")[0]), int(form.rsplit("_S")[-1])

    def meaning(i: Inputs) -> Outputs:
        plus = is_signed(sign, i, "crSRSSign")
        mode, saturation = i.control("crRnd"), i.control("crSat")
        return {role: srs(i.vector("src"), acc_bits, bits, i.scalar("shift"), mode, saturation, plus)}

    return meaning


def ups_meaning(form: str, data: Callable[[Inputs], Bytes]) -> Meaning:
    """`S32_D8`: 32-bit lanes from 8 bits, sign by control register."""
    wide, narrow = form.split("_")

    def meaning(i: Inputs) -> Outputs:
        plus = is_signed(narrow[0], i, "crUPSSign")
        shift, saturation = i.scalar("shift"), i.control("crSat")
        return {"dst": ups(data(i), int(narrow[1:]), int(wide[1:]), shift, saturation, plus)}

    return meaning


def pack_meaning(form: str, role: str) -> Meaning:
    """`S8_S16`: 8 bits from 16."""
    narrow, wide = form.split("_")

    def meaning(i: Inputs) -> Outputs:
        plus = is_signed(narrow[0], i, "crPackSign")
        return {role: pack(i.vector("src"), int(wide[1:]), int(narrow[1:]), i.control("crSat"), plus)}

    return meaning


def unpack_meaning(form: str, data: Callable[[Inputs], Bytes]) -> Meaning:
    """`S16_S8`: 16 bits from 8."""
    wide, narrow = form.split("_")

    def meaning(i: Inputs) -> Outputs:
        return {"dst": unpack(data(i), int(narrow[1:]), int(wide[1:]), is_signed(narrow[0], i, "crUnpackSign"))}

    return meaning


def _arithmetic(bits: int, function: Callable[[Lanes, Lanes], Lanes]) -> Meaning:
    return lambda i: {"dst": pack_lanes(function(lanes(i.vector("a"), bits), lanes(i.vector("b"), bits)), bits)}


Compared = tuple[Lanes, npt.NDArray[np.bool_]]
_COMBINED: dict[str, Callable[[Lanes, Lanes], Compared]] = {
    "VMAX_LT": lambda a, b: (np.maximum(a, b), a < b),
    "VMIN_GE": lambda a, b: (np.minimum(a, b), a >= b),
    "VSUB_LT": lambda a, b: (a - b, a < b),
    "VSUB_GE": lambda a, b: (a - b, a >= b),
    "VMAXDIFF_LT": lambda a, b: (np.maximum(a - b, 0), a < b),
    "VLT": lambda a, b: (a, a < b),
    "VGE": lambda a, b: (a, a >= b),
}


def _compare(bits: int, sign: str, function: Callable[[Lanes, Lanes], Compared], both: bool) -> Meaning:
    def meaning(i: Inputs) -> Outputs:
        plus = is_signed(sign, i, "crVaddSign")
        result, mask = function(lanes(i.vector("a"), bits, plus), lanes(i.vector("b"), bits, plus))
        compared: Outputs = {"cmp": mask_bits(mask)}
        return compared | {"dst": pack_lanes(result, bits)} if both else compared

    return meaning


def _zeros(bits: int) -> Meaning:
    return lambda i: {"cmp": mask_bits(lanes(i.vector("a"), bits) == 0)}


def _invert(bits: int) -> Meaning:
    return lambda i: {"dst": ~i.vector("a"), "cmp": mask_bits(lanes(i.vector("a"), bits) < 0)}


def _select(bits: int) -> Meaning:
    return lambda i: {"dst": select(i.vector("a"), i.vector("b"), i.scalar("sel"), bits)}


def _broadcast(bits: int) -> Meaning:
    return lambda i: {"dst": broadcast(i.scalar("value"), bits)}


def _insert(bits: int) -> Meaning:
    def meaning(i: Inputs) -> Outputs:
        result = i.vector("a")
        size, place = bits // 8, i.scalar("idx") % (len(result) * 8 // bits)
        result[place * size : (place + 1) * size] = broadcast(i.scalar("value"), bits)[:size]
        return {"dst": result}

    return meaning


def _element(i: Inputs, bits: int, index: int) -> Bytes:
    data = i.vector("a")
    size = bits // 8
    place = index % (len(data) // size)
    return data[place * size : (place + 1) * size]


def _extract(bits: int, sign: str) -> Meaning:
    def meaning(i: Inputs) -> Outputs:
        raw = _element(i, bits, i.scalar("idx")).tobytes()
        value = int.from_bytes(raw, "little", signed=is_signed(sign, i, "crVaddSign"))
        return {"dst": value & ((1 << max(bits, 32)) - 1)}

    return meaning


def _extract_broadcast(bits: int, immediate: bool) -> Meaning:
    def meaning(i: Inputs) -> Outputs:
        index = i.number("idx") if immediate else i.scalar("idx")
        return {"dst": np.tile(_element(i, bits, index), 64 * 8 // bits)}

    return meaning


def _moves() -> Iterator[tuple[str, Meaning]]:
    yield from ((name, _copy) for name in MOVES)
    yield "VCLR", lambda i: {"dst": np.zeros(ACC_BYTES, np.uint8)}
    yield "VSHIFT", lambda i: {"dst": shift_bytes(i.vector("a"), i.vector("b"), i.scalar("shift"))}
    for kind in ("X", "BM"):
        yield f"VSHUFFLE_{kind}", lambda i: {"dst": shuffle(i.vector("a"), i.vector("b"), i.scalar("mode"))}


def _lane_operations() -> Iterator[tuple[str, Meaning]]:
    for bits in (8, 16, 32):
        yield f"VADD_{bits}", _arithmetic(bits, np.add)
        yield f"VSUB_{bits}", _arithmetic(bits, np.subtract)
        yield f"VSEL_{bits}", _select(bits)
        yield f"VEQZ_{bits}", _zeros(bits)
        yield f"VBNEG_LTZ_S{bits}", _invert(bits)
        for name, function in _COMBINED.items():
            for sign in "DS":
                yield f"{name}_{sign}{bits}", _compare(bits, sign, function, name not in ("VLT", "VGE"))
    for bits in (8, 16, 32, 64):
        yield f"VBCST_{bits}", _broadcast(bits)
        yield f"VINSERT_{bits}", _insert(bits)
        yield f"VEXTBCST_{bits}_REG", _extract_broadcast(bits, False)
        yield f"VEXTBCST_{bits}_IMM", _extract_broadcast(bits, True)
        for sign in "DS":
            yield f"VEXTRACT_{sign}{bits}", _extract(bits, sign)
    yield "VBAND", lambda i: {"dst": i.vector("a") & i.vector("b")}
    yield "VBOR", lambda i: {"dst": i.vector("a") | i.vector("b")}


def _conversions() -> Iterator[tuple[str, Meaning]]:
    for sign in "DS":
        for form in ("8_S32", "16_S64"):
            yield f"VSRS_{sign}{form}", srs_meaning(sign + form, "dst")
        for form in ("16_S32", "32_S64"):
            for suffix in ("_W", "_X"):
                yield f"VSRS_{sign}{form}{suffix}", srs_meaning(sign + form, "dst")
            yield f"VSRSM_{sign}{form}", srs_meaning(sign + form, "dst")
        for form in (f"S32_{sign}8", f"S64_{sign}16"):
            yield f"VUPS_{form}", ups_meaning(form, lambda i: i.vector("src"))
        for form in (f"S32_{sign}16", f"S64_{sign}32"):
            for suffix in ("_W", "_X"):
                yield f"VUPS_{form}{suffix}", ups_meaning(form, lambda i: i.vector("src"))
        yield f"VPACK_{sign}8_{sign}16", pack_meaning(f"{sign}8_{sign}16", "dst")
        yield f"VUNPACK_{sign}16_{sign}8", unpack_meaning(f"{sign}16_{sign}8", lambda i: i.vector("src"))


VECTOR_MEANINGS: dict[str, Meaning] = {
    **{name: _product(negate) for name, negate in _PRODUCTS.items()},
    **{name: _sum(*signs) for name, signs in _SUMS.items()},
    "VADD_CM": _accumulators(False, False),
    "VSUB_CM": _accumulators(False, True),
    "VNEGADD_CM": _accumulators(True, True),
    "VNEGSUB_CM": _accumulators(True, False),
    **dict(_moves()),
    **dict(_lane_operations()),
    **dict(_conversions()),
}
