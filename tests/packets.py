"""Random kernel calls: the bytes a core gets, and the bytes it must leave, by plain loops over pixels and taps.

Shared by all tests of kernels.  Nothing here knows the compiler's packet builder or the simulator's kernels: an image
is made first, laid out by the rules of docs/plan-format.md, and convolved as an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.encoding.work import COMBINING, CallRecord, Kernel, WorkHeader, with_steps
from tests.packet_tools import Bytes, Draw, Ints, Parts, limits, rhe, tiled

CONF = {True: 776, False: 264}
ELEMENTWISE_CONF = {True: 808, False: 296}
CHANNELWISE = (Kernel.MAX_POOL, Kernel.AVG_POOL, Kernel.DEPTHWISE)


@dataclass(frozen=True)
class Case:
    """A packet of one call, the memory before it, and after it wherever that is `defined`."""

    header: WorkHeader
    call: CallRecord
    packet: Bytes
    act: Bytes
    scratch: NDArray[np.int32]
    out: Bytes
    expected_out: Bytes
    out_defined: NDArray[np.bool_]
    expected_scratch: NDArray[np.int32]
    scratch_defined: NDArray[np.bool_]
    periods: tuple[int, ...]


class Maker:
    """Builds one case: `acc`, `q` and `y` are images `[rows][pixels][channels]` of what each phase leaves."""

    def __init__(self, kernel: Kernel, seed: int, fixed: dict[str, Any]) -> None:
        self.kernel = kernel
        self.draw = draw = Draw(seed, fixed)
        self.shape = shape = draw.shape(kernel)
        self.parts = Parts(draw)
        self.fields = self.parts.fields
        self.fields |= {"kernel": kernel, "layer": draw.pick(0, 50), "calls": 1, "out_blocks": shape.out_blocks}
        self.fields |= {"groups_wide": shape.wide, "pad_word": 0x01010101 * draw.pick(0, 255)}
        for name in ("x_signed", "r_signed", "q_signed", "y_signed"):
            self.fields[name] = draw.coin(name)
        # What is expanded is one pixel, the first of a group.
        size = (1, 4, shape.image[2]) if kernel is Kernel.EXPAND else shape.image
        self.image = draw.typed(self.fields["x_signed"], *size)
        self.pixels = shape.rows, 4 * shape.wide, 8 * shape.out_blocks
        self.first = self.last = True
        self.scales_offset = 0
        self.periods: tuple[int, ...] = ()
        self.chain = np.zeros(0, np.int32)
        self.acc: Ints | None = None
        self.scratch = draw.numbers(-(1 << 20), 1 << 20, shape.out_blocks, 4 * shape.sets, 4, 8).astype(np.int32)
        self._lay_act()

    def _lay_act(self) -> None:
        """The input tile and a second operand somewhere in an act packet of arbitrary bytes."""
        draw, shape = self.draw, self.shape
        expands = self.kernel is Kernel.EXPAND
        tile = tiled(self.image, np.arange(4)[None]) if expands else shape.input_tile(self.image)
        self.second = draw.typed(self.fields["r_signed"], *self.pixels)
        other = shape.output_tile(self.second)
        self.x_offset = 32 * draw.pick(0, 4)
        self.r_offset = self.x_offset + len(tile) + 32 * draw.pick(0, 4)
        self.act = draw.rng.integers(0, 256, self.r_offset + len(other) + 32 * draw.pick(0, 2), np.uint8)
        self.act[self.x_offset : self.x_offset + len(tile)] = tile
        self.act[self.r_offset : self.r_offset + len(other)] = other

    def make(self) -> Case:
        result = self._result()
        if self.last and self.fields.get("combine"):
            result = self._combined(result)
        shape = self.shape
        pads = 8 * self.draw.pick(1, 30) if self.last and self.draw.coin("pads") else 0
        tile = shape.output_tile(result)
        call = CallRecord(
            first=self.first, last=self.last, rows=shape.rows, groups=shape.groups, pad_bytes=pads,
            x_offset=self.x_offset, r_offset=self.r_offset, scales_offset=self.scales_offset,
            act_bytes=len(self.act), acquire_act=True, release_act=True,
        )  # fmt: skip
        call = with_steps(WorkHeader(**self.fields), call)
        self.parts.add("calls", np.array(call.encode(), np.uint32), 4)
        header = WorkHeader(**self.fields, size_words=-(-len(self.parts.data) // 4))
        packet = np.frombuffer(self.parts.data, np.uint8).copy()
        packet[: 4 * WorkHeader.WORDS] = np.array(header.encode(), np.uint32).view(np.uint8)
        out = self.draw.rng.integers(0, 256, self._slot_bytes(len(tile) + pads), np.uint8)
        expected, defined = out.copy(), np.zeros(len(out), np.bool_)
        if self.last:
            expected[: len(tile)] = tile
            expected[len(tile) : len(tile) + pads] = header.pad_word & 0xFF
            defined[: len(tile) + pads] = True
        scratch, sums = self._scratch_after()
        return Case(header, call, packet, self.act, self.scratch.reshape(-1), out, expected, defined,
                    scratch, sums, self.periods)  # fmt: skip

    def _slot_bytes(self, size: int) -> int:
        """An out slot with room for junk: whole sets of groups of each row or of the tile, whole vectors of padding."""
        row = self.shape.out_blocks * self.shape.wide * 32
        junk = -(-3 // self.shape.wide) if self.shape.groups % 4 else 0
        return max((self.shape.rows + junk) * row, -(-self.shape.rows * row // 128) * 128, -(-size // 32) * 32)

    def _scratch_after(self) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """The scratch holds sums if the call is not the last: `[blocks][groups][4][8]`."""
        after, defined = self.scratch.copy(), np.zeros(self.scratch.shape, np.bool_)
        if self.acc is not None and not self.last:
            after[:, : self.shape.groups] = self._grouped(self.acc)
            defined[:, : self.shape.groups] = True
        return after.reshape(-1), defined.reshape(-1)

    def _grouped(self, image: Ints) -> Ints:
        """An image as blocks of groups, `[blocks][groups][4][8]`."""
        where = self._pixel_places()
        return image.reshape(-1, self.shape.out_blocks, 8)[where].transpose(2, 0, 1, 3)

    def _pixel_places(self) -> Ints:
        """Which pixel of the image each lane of each group is, `[groups][4]`."""
        wide, lane = self.shape.wide, np.arange(4)
        row, group = np.divmod(np.arange(self.shape.groups), wide)
        inside = lane * wide + group[:, None] if self.shape.strided else 4 * group[:, None] + lane
        return row[:, None] * 4 * wide + inside

    def _result(self) -> Ints:
        """What lies in the tile before it is combined, or would."""
        if self.kernel in COMBINING:
            self.fields["combine"] = True
            if self.kernel is Kernel.REQUANTIZE:
                self.r_offset = self.x_offset
            return self.image
        if self.kernel is Kernel.LOOKUP:
            table = self.draw.rng.integers(0, 256, 256, np.uint8)
            self.parts.add("table", table, 32)
            looked_up: Ints = table[self.image & 0xFF].astype(np.int64)
            return looked_up
        if self.kernel in CHANNELWISE:
            self.fields["act_step"] = self.shape.in_wide * 32
        self.fields["combine"] = self.fields["in_place"] = self.draw.coin("combine", 0.3)
        if self.kernel is Kernel.MAX_POOL:
            return self._maximum()
        if self.kernel is Kernel.EXPAND:
            self.fields["q_signed"] = self.fields["x_signed"]
            return np.broadcast_to(self.image[:, :1], self.pixels)
        return self._multiplied()

    def _add_jumps(self) -> None:
        """Chain words, if there are any, and behind them the jumps."""
        jumps = self.shape.jumps(self.draw.pick(0, 2)).astype(np.int32)
        self.parts.add("jumps", np.concatenate([self.chain, jumps.reshape(-1)]), 4)
        self.fields["jumps_offset"] += self.chain.nbytes

    def _maximum(self) -> Ints:
        shape, draw = self.shape, self.draw
        self.fields["q_signed"] = self.fields["x_signed"]
        self._add_jumps()
        table = [shape.tap(tap, 0) for tap in shape.taps()]
        table += [table[draw.pick(0, len(table) - 1)]] * (5 - len(table))
        self.fields["taps"] = len(table)
        self.parts.add("table", np.array(table, np.int32), 4)
        greatest: Ints = np.max([shape.seen(self.image, tap) for tap in shape.taps()], axis=0)
        return greatest

    def _multiplied(self) -> Ints:
        draw, signed = self.draw, self.fields["x_signed"]
        direct = draw.coin("direct", 0.4)
        narrow = not direct and draw.coin("narrow", 0.4)
        self.first = direct or narrow or draw.coin("first", 0.7)
        self.last = direct or narrow or draw.coin("last", 0.8)
        mean = self.kernel is Kernel.AVG_POOL and not direct and not narrow and draw.coin("mean", 0.7)
        staged = not direct and not narrow and not mean and draw.coin("staged", 0.5)
        self.fields |= {"direct": direct, "narrow": narrow, "mean": mean, "staged": staged}
        self.least = 5 if direct else 7 if narrow else 8
        self.fields["conf"] = (CONF if self.kernel is Kernel.CONV else ELEMENTWISE_CONF)[signed]
        sums = self._dense_sums() if self.kernel is Kernel.CONV else self._elementwise_sums()
        wild = not direct and not narrow and not staged and draw.coin("wild", 0.2)
        bias = draw.numbers(-(1 << 31 if wild else 1 << 14), (1 << 31) - 1 if wild else 1 << 14, *self.pixels[2:])
        start: Ints = bias if self.first else self._from_scratch()
        acc = sums + start
        self.acc = wrapped(acc)
        if mean and self.last and not self.fields["combine"] and draw.coin("fold", 0.4):
            self._fold()
        return self._ended(bias, self.acc, direct, mean)

    def _fold(self) -> None:
        """The first pixel of each group becomes the sum of all four, and of a number of the header."""
        start = self.draw.pick(-(1 << 20), 1 << 20)
        self.fields |= {"fold": True, "add_start": start}
        places, flat = self._pixel_places(), np.array(self.acc).reshape(-1, self.pixels[2])
        flat[places[:, 0]] = wrapped(flat[places].sum(axis=1) + start)
        self.acc = flat.reshape(self.pixels)

    def _from_scratch(self) -> Ints:
        image = np.zeros((self.pixels[0] * self.pixels[1], self.shape.out_blocks, 8), np.int64)
        image[self._pixel_places()] = self.scratch[:, : self.shape.groups].transpose(1, 2, 0, 3)
        return image.reshape(self.pixels)

    def _dense_sums(self) -> Ints:
        """A convolution of which every output block keeps some blocks, none or all."""
        shape, draw = self.shape, self.draw
        every = [(tap, block) for tap in shape.taps() for block in range(shape.in_blocks)]
        sums = np.zeros(self.pixels, np.int64)
        table: list[int] = []
        blocks: list[Ints] = []
        for out in range(shape.out_blocks):
            count, twice = draw.fixed.get("kept", draw.pick(0, len(every))), draw.coin("twice", 0.2)
            kept = draw.rng.choice(len(every), count, replace=twice)
            for tap, block in (every[place] for place in kept):
                weights = draw.typed(True, 8, 8)
                table.append(shape.tap(tap, block))
                blocks.append(weights)
                seen = shape.seen(self.image, tap)[..., 8 * block : 8 * block + 8]
                sums[..., 8 * out : 8 * out + 8] += seen @ weights
            filled = max(0, self.least - len(kept))
            table += [0] * filled
            blocks += [np.zeros((8, 8), np.int64)] * filled
            self.periods += (len(kept) + filled,)
        self._add_weights(table, np.array(blocks), shared_table=False, shared_blocks=False)
        return sums

    def _elementwise_sums(self) -> Ints:
        """Taps weighted by channel; an average's weights are ones, which all blocks share."""
        shape, draw = self.shape, self.draw
        taps, average = shape.taps(), self.kernel is Kernel.AVG_POOL
        weights = draw.typed(True, len(taps), shape.out_blocks, 8)
        if average:
            weights = np.ones_like(weights)
        filled = max(0, self.least - len(taps))
        self.periods = (len(taps) + filled,) * shape.out_blocks
        lanes = np.zeros((shape.out_blocks, len(taps) + filled, 2, 4, 8), np.int64)
        lanes[:, : len(taps), 0] = weights.swapaxes(0, 1)[:, :, None, :]
        table = [shape.tap(tap, 0) for tap in taps] + [0] * filled
        self._add_weights(table, lanes[:1] if average else lanes, shared_table=True, shared_blocks=average)
        sums = np.zeros(self.pixels, np.int64)
        for tap, weight in zip(taps, weights, strict=True):
            sums += shape.seen(self.image, tap) * weight.reshape(-1)
        return sums

    def _add_weights(self, table: list[int], blocks: Ints, *, shared_table: bool, shared_blocks: bool) -> None:
        self.parts.add("blocks", blocks.astype(np.int8), 32)
        self.parts.add("table", np.array([0, *table, *[0] * 8], np.int32), 4)
        self.fields["table_offset"] += 4
        back = self.periods[0]
        self.fields["result_sign"] = int(self.fields["q_signed"])
        self.fields |= {"taps": back if shared_table else 0, "blocks_back": back if shared_blocks else 0}

    def _ended(self, bias: Ints, acc: Ints, direct: bool, mean: bool) -> Ints:
        """From sums to bytes, in one of three ways."""
        draw, blocks = self.draw, self.shape.out_blocks
        low, high = limits(self.fields["q_signed"])
        if direct:
            shift = draw.numbers(0, 14, blocks)
            self._add_records(bias, draw.numbers(0, (1 << 30) - 1, 8 * blocks), shift)
            spread, odd = np.repeat(shift, 8), draw.coin("q_odd")
            self.fields |= {"q_odd": odd, "rounding": 13 if odd else 12}
            return np.clip(rhe(acc - (odd << spread), spread) + odd, low, high)
        if self.fields["narrow"] or self.fields["staged"]:
            return self._narrow(bias, acc, low, high)
        zero, low, high = draw.zero_and_limits(self.fields["q_signed"])
        self.fields |= {"q_zero": zero, "q_min": low, "q_max": high}
        acc = acc - (1 << 15)  # of which the bias has that much too much
        # Mostly, results spread over a byte; sometimes anything goes.
        greatest = int(np.abs(acc).max()) + 1
        factor = draw.numbers(1 << 22, (1 << draw.pick(23, 30)) - 1, 8 * blocks)
        factor *= draw.rng.random(8 * blocks) > 0.1
        shift = np.clip([int(one).bit_length() + greatest.bit_length() - 8 for one in factor[::8]], 0, 59)
        if mean:
            return np.clip(self._mean(bias, acc, 29 + greatest.bit_length() - 8) + zero, low, high)
        if draw.coin("any_shift", 0.2):
            shift = draw.numbers(0, 59, blocks)
        self._add_records(bias, factor, shift)
        return np.clip(rhe(acc * factor, np.repeat(shift, 8)) + zero, low, high)

    def _narrow(self, bias: Ints, acc: Ints, low: int, high: int) -> Ints:
        """A shift to 16 bits, a factor of 15, and a shift; the zero point is inside the second rounding."""
        draw, blocks = self.draw, self.shape.out_blocks
        clipped = self.fields["q_signed"] and draw.coin("clipped", 0.4)
        zero = draw.pick(low, 0 if clipped else high)
        self.fields |= {"q_zero": zero, "clipped": clipped, "narrow_conf": 312 if clipped else 824}
        self.fields["result_sign"] = int(self.fields["q_signed"] and not clipped)
        first, second = draw.numbers(0, 12, blocks), draw.numbers(0, 22, blocks)
        factor = draw.numbers(0, (1 << 15) - 1, 8 * blocks)
        self._add_records(bias, factor, first, second)
        first, second = np.repeat(first, 8), np.repeat(second, 8)
        held = np.clip(rhe(acc, first), *((0, 65535) if clipped else (-32768, 32767)))
        return np.clip(rhe(held * factor + (zero << second), second), low, high)

    def _mean(self, bias: Ints, acc: Ints, shift: int) -> Ints:
        """Factors by pixel, or one for all."""
        draw, each = self.draw, self.draw.coin("each_pixel")
        self._add_records(
            bias, draw.numbers(0, (1 << 30) - 1, 8 * self.shape.out_blocks), draw.numbers(0, 40, self.shape.out_blocks)
        )
        factor = draw.numbers(1 << 25, (1 << 30) - 1, self.pixels[0] * self.pixels[1] if each else 1)
        groups = factor[self._pixel_places()] if each else np.broadcast_to(factor, (1, 4))
        halves = np.stack(balanced(groups), axis=1)  # [groups][hi, lo][4 pixels]
        self.scales_offset = self.parts.add("scales", np.repeat(halves, 8, axis=-1).astype(np.int16), 32)
        del self.fields["scales_offset"]  # it is the call that names it
        inner = max(0, shift - draw.pick(1, 20))
        self.fields |= {"scale_step": 128 if each else 0, "mean_inner": inner, "mean_outer": shift - inner}
        spread = factor.reshape(*self.pixels[:2], 1) if each else factor
        return rhe(rhe(acc * spread, inner), shift - inner)

    def _add_records(self, bias: Ints, factor: Ints, shift: Ints, second: Ints | None = None) -> None:
        """Biases where sums start from them, factors where they make bytes, and a word for each block and one more."""
        blocks, narrow = self.shape.out_blocks, bool(self.fields["narrow"])
        starts = bias.reshape(blocks, 8).astype(np.int32).view(np.uint8)
        factors = np.zeros((blocks, 16), np.int16)
        if second is None:
            factors[:, :8], factors[:, 8:] = balanced(factor.reshape(blocks, 8))
        else:
            factors[:, :8] = factor.reshape(blocks, 8)
            factors[:, 8:10] = (self.fields["q_zero"] << second).astype(np.int32).view(np.int16).reshape(blocks, 2)
        makes = factors.view(np.uint8)
        if narrow:
            at = self.parts.add("bias", np.concatenate([starts, makes], axis=1), 32)
            self.fields["factors_offset"] = at + 32
        else:
            if self.first:
                self.parts.add("bias", starts, 32)
            if self.last and not self.fields["direct"] and not self.fields["mean"]:
                self.parts.add("factors", makes, 32)
        words = np.array(self.periods) - 1 + shift * 2**20 + (0 if second is None else second * 2**26)
        self.chain = np.append(words, 7).astype(np.uint32).view(np.int32)  # 8 entries of the block behind the last
        self._add_jumps()

    def _combined(self, x: Ints) -> Ints:
        """Weighted with the second operand, around zero points."""
        draw, fields = self.draw, self.fields
        x_zero, r_zero = draw.pick(*limits(fields["x_signed"])), draw.pick(*limits(fields["r_signed"]))
        y_zero, low, high = draw.zero_and_limits(fields["y_signed"])
        if self.kernel is Kernel.MULTIPLY or (self.kernel is Kernel.EXPAND and draw.coin("multiply")):
            return self._product(x, (x_zero, r_zero, y_zero), low, high)
        narrow = draw.coin("combine_narrow")
        bits = draw.pick(1, 15 if narrow else 30)
        a, b = draw.pick(0, (1 << bits) - 1), draw.pick(0, (1 << bits) - 1)
        shift = draw.pick(max(0, bits - 1), min(22 if narrow else 44, bits + draw.pick(0, 8)))
        second = self.second
        if self.kernel is Kernel.REQUANTIZE or draw.coin("rescale", 0.2):
            b, second = 0, np.zeros_like(second)
        if draw.coin("negative", 0.3):
            a, b = draw.rng.choice([[-a, b], [a, -b]]).tolist()
        constant = -(x_zero * a + r_zero * b) + (y_zero << shift)
        if narrow:
            fields |= {"combine_narrow": True, "add_start": constant}
            self._ready(y_zero % 2)
        else:
            self.parts.add("constants", np.full(4, constant, np.int64), 32)
        fields |= {"add_a": a, "add_b": b, "add_shift": shift, "y_min": low, "y_max": high, "y_odd": y_zero % 2 == 1}
        return np.clip(rhe((x - x_zero) * a + (second - r_zero) * b, shift) + y_zero, low, high)

    def _product(self, x: Ints, zeros: tuple[int, int, int], low: int, high: int) -> Ints:
        """A shift to 16 bits, a factor of 15 and a second shift, of the product around its zero points."""
        draw, fields, (x_zero, r_zero, y_zero) = self.draw, self.fields, zeros
        products = (x - x_zero) * (self.second - r_zero)
        power = draw.coin("power", 0.3)
        first = draw.pick(4, 12) if power else draw.pick(0, 2)
        factor, second = (1, 0) if power else (draw.pick(1 << 10, (1 << 15) - 1), draw.pick(14, 22))
        fields |= {"multiply": True, "product_x_zero": x_zero, "product_r_less": -r_zero, "product_shift": first}
        fields |= {"add_a": factor, "add_shift": second, "add_start": y_zero << second, "y_min": low, "y_max": high}
        self._ready(0)
        held = np.clip(rhe(products, first), -32768, 32767)
        return np.clip(rhe(held * factor + (y_zero << second), second), low, high)

    def _ready(self, odd: int) -> None:
        """Bytes of the header that stand ready for control registers."""
        fields = self.fields
        signed = fields["q_signed" if fields.get("in_place") else "x_signed"]
        fields |= {"ready_x": signed, "ready_r": fields["r_signed"], "ready_y": fields["y_signed"]}
        fields["ready_round"] = 12 + odd


def wrapped(sums: Ints) -> Ints:
    """As 32 bits hold them."""
    return (sums + (1 << 31)) % (1 << 32) - (1 << 31)


def balanced(factor: Ints) -> tuple[Ints, Ints]:
    """hi and lo with factor = hi * 65536 + lo, lo in -32768..32767."""
    low = (factor + 32768) % 65536 - 32768
    return (factor - low) // 65536, low


def random_call(kernel: Kernel, seed: int, **fixed: Any) -> Case:
    """A random call of a kernel; `fixed` overrules single choices, such as `direct=True` or `rows=1`."""
    return Maker(kernel, seed, fixed).make()
