"""`aie2`: the array at its registers; each op becomes one or a few operations of the control stream.

Tiles are given by column and row (0 shim, 1 memory tile, 2 and up cores).  Lengths, steps and addresses of
descriptors are 32-bit words, as in the registers.
"""

from __future__ import annotations

from compiler.ir import Dialect, Op, prop


class CircuitOp(Op):
    """Connect a slave port to a master port of one stream switch; ports are named as `DMA0`, `North3`."""

    name = "aie2.circuit"
    column: int = prop()
    row: int = prop()
    slave: str = prop()
    master: str = prop()


class PacketSlaveOp(Op):
    """Put a slave port in packet mode with its match slots: `slots` holds (id, mask, msel, arbiter) in turn."""

    name = "aie2.packet_slave"
    column: int = prop()
    row: int = prop()
    slave: str = prop()
    slots: tuple[int, ...] = prop()


class PacketMasterOp(Op):
    """Let a master port take the packets of one arbiter whose msel is in the mask."""

    name = "aie2.packet_master"
    column: int = prop()
    row: int = prop()
    master: str = prop()
    arbiter: int = prop()
    msels: int = prop()
    drop_header: bool = prop()


class ShimMuxOp(Op):
    """Connect the DMA of a shim to its switch (both MM2S and both S2MM channels)."""

    name = "aie2.shim_mux"
    column: int = prop()


class LockOp(Op):
    """Set the value of a lock."""

    name = "aie2.lock"
    column: int = prop()
    row: int = prop()
    lock: int = prop()
    value: int = prop()


class CoreConfigOp(Op):
    """Write a core's configuration record (16 words) to its data memory."""

    name = "aie2.core_config"
    column: int = prop()
    row: int = prop()
    words: tuple[int, ...] = prop()


class CoreEnableOp(Op):
    """Release a core from reset and let it run."""

    name = "aie2.core_enable"
    column: int = prop()
    row: int = prop()


class ChannelOp(Op):
    """Set a channel's control register: finish-on-TLAST mode of an S2MM channel."""

    name = "aie2.channel"
    column: int = prop()
    row: int = prop()
    direction: str = prop()
    channel: int = prop()
    finish_on_tlast: int = prop()


class BdOp(Op):
    """Write a buffer descriptor.

    `address` is the word address as the DMA sees it (a shim's is filled in by `argument` and `offset` bytes).
    `steps` and `wraps` are true values, innermost first; the last step has no wrap.  `iteration` is (step, wrap,
    current).  `acquire` and `release` are (lock id as the DMA sees it, amount); an acquire waits for at least it.
    """

    name = "aie2.bd"
    column: int = prop()
    row: int = prop()
    bd: int = prop()
    address: int = prop()
    length: int = prop()
    steps: tuple[int, ...] = prop()
    wraps: tuple[int, ...] = prop()
    iteration: tuple[int, ...] | None = prop(default=None)
    acquire: tuple[int, ...] | None = prop(default=None)
    release: tuple[int, ...] | None = prop(default=None)
    next: int | None = prop(default=None)
    packet: int | None = prop(default=None)
    keep_open: bool = prop(default=False)
    argument: int | None = prop(default=None)


class PushOp(Op):
    """Push a task (a descriptor chain, `repeat` times) on a channel; with `token`, its end can be awaited."""

    name = "aie2.push"
    column: int = prop()
    row: int = prop()
    direction: str = prop()
    channel: int = prop()
    bd: int = prop()
    repeat: int = prop()
    token: bool = prop()


class SyncOp(Op):
    """Wait for one task-complete token of a channel."""

    name = "aie2.sync"
    column: int = prop()
    row: int = prop()
    direction: str = prop()
    channel: int = prop()


class LayerOp(Op):
    """From here on the control stream works for this layer (an index of layers.json)."""

    name = "aie2.layer"
    index: int = prop()
    title: str = prop()


DIALECT = Dialect(
    "aie2",
    ops=(
        CircuitOp,
        PacketSlaveOp,
        PacketMasterOp,
        ShimMuxOp,
        LockOp,
        CoreConfigOp,
        CoreEnableOp,
        ChannelOp,
        BdOp,
        PushOp,
        SyncOp,
        LayerOp,
    ),
)
