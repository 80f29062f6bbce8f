"""`tile`: layers cut for the array.  Buffers in DDR and in memory tiles, loads, runs of kernels, stores.

Operations are issued in order.  A run is an epoch: it waits for the run before it, for its loads, and for the
stores of the run before the last; loads and stores go on meanwhile.  `compiler.mapping` says what a run does.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir import Dialect, DialectType, Op, Scanner, Type, Value, operand, operands, prop, result
from compiler.mapping.shapes import CoreLayout, Layer, Mapping, Storage
from dialects.nn import Layout
from dialects.quant import Quant


@dataclass(frozen=True)
class BufferType(DialectType, mnemonic="tile.buffer"):
    """A buffer in `ddr`, or in `mem`: the memory tile of every column at one offset."""

    level: str
    bytes: int

    def body(self) -> str:
        return f"{self.level}, {self.bytes}"

    @classmethod
    def parse_body(cls, body: Scanner) -> BufferType:
        level = body.choice({"ddr": "ddr", "mem": "mem"})
        body.expect(",")
        return cls(level, body.integer())


class AllocOp(Op):
    """A buffer.  `rows` and `blocks` give, per column, the half open share [first, last) of the stored activation.

    In DDR the whole activation lies in `argument`; `offset` is bytes in the argument or in each memory tile and is
    -1 until memory planning.  `data` names an array of the store that fills a constant.
    """

    name = "tile.alloc"

    type: BufferType = prop()
    owner: str = prop()
    storage: Storage = prop()
    rows: tuple[int, ...] = prop()
    blocks: tuple[int, ...] = prop()
    argument: int = prop()
    offset: int = prop(default=-1)
    data: str = prop(default="")
    y: Value[BufferType] = result()

    def infer(self) -> tuple[Type, ...]:
        if self.type.level == "ddr":
            return (self.type,)
        if len(self.rows) != len(self.blocks) or len(self.rows) % 2 or self.type.bytes < self.local_bytes:
            raise self.error("extent", f"holds {self.local_bytes} bytes of a column in {self.type.bytes}")
        return (self.type,)

    @property
    def local_bytes(self) -> int:
        """Bytes of the largest share of a column."""
        columns = range(len(self.rows) // 2)
        return max(
            (self.rows[2 * c + 1] - self.rows[2 * c]) * (self.blocks[2 * c + 1] - self.blocks[2 * c]) for c in columns
        ) * (self.storage.pitch * 8)


class PortOp(Op):
    """An input or output of the model, in a DDR buffer; the host converts it as docs/plan-format.md says."""

    name = "tile.port"

    buffer: Value[BufferType] = operand()
    direction: str = prop()
    onnx_name: str = prop()
    onnx_shape: tuple[int, ...] = prop()
    layout: Layout = prop()
    host_type: str = prop()
    quant: Quant = prop()


class LoadOp(Op):
    """Fill a memory tile buffer from DDR: each column its share."""

    name = "tile.load"

    source: Value[BufferType] = operand()
    into: Value[BufferType] = operand()
    epoch: int = prop()


class StoreOp(Op):
    """Write a memory tile buffer to DDR: each column its share.

    With `spread` (sy, sx, i, j) it is a part of an interleaved tensor: pixel (y, x) becomes pixel (sy * y + i,
    sx * x + j) of the whole, and its first block is block `at_block` there.  Else both lie alike.
    """

    name = "tile.store"

    source: Value[BufferType] = operand()
    into: Value[BufferType] = operand()
    at_block: int = prop()
    epoch: int = prop()
    spread: tuple[int, ...] | None = prop(default=None)

    def verify(self) -> None:
        if self.spread is not None and len(self.spread) != 4:
            raise self.error("spread", f"has {len(self.spread)} numbers of 'spread', expects 4")


class RunOp(Op):
    """Run a layer, or some rows of it, over the array.

    `extents` gives per column the output rows and blocks (y0, y1, b0, b1); `at_blocks` the first block of each
    operand and of the result in its buffer, `at_rows` the first row of each if not all begin at row 0.  Of its `steps`
    of work each has `senders` packets of `packet_bytes`, which wait in `slots` slots at `work_offset` of every memory
    tile; those of the first `ahead` steps come before the run.
    """

    name = "tile.run"

    inputs: tuple[Value[BufferType], ...] = operands()
    out: Value[BufferType] = operand()
    epoch: int = prop()
    title: str = prop()
    layer_index: int = prop()
    layer: Layer = prop()
    mapping: Mapping = prop()
    core: CoreLayout = prop()
    extents: tuple[int, ...] = prop()
    at_blocks: tuple[int, ...] = prop()
    packet_bytes: int = prop()
    senders: int = prop()
    slots: int = prop()
    steps: int = prop()
    ahead: int = prop()
    at_rows: tuple[int, ...] | None = prop(default=None)
    work_offset: int = prop(default=-1)

    @property
    def work_bytes(self) -> int:
        """Bytes of the memory tile that its work packets wait in."""
        return self.packet_bytes * self.senders * self.slots


DIALECT = Dialect(
    "tile",
    ops=(AllocOp, PortOp, LoadOp, StoreOp, RunOp),
    attributes=(BufferType, Storage, Layer, Mapping, CoreLayout),
)
