"""`aie2`: the array at its registers; each op becomes one or a few operations of the control stream.

Tiles are given by column and row (0 shim, 1 memory tile, 2 and up cores), ports as `DMA0` or `North3`,
directions as `MM2S` or `S2MM`.  Lengths, steps and addresses of descriptors are 32-bit words, as in the
registers.
"""

from __future__ import annotations

import re

from compiler.encoding.switch import Bundle, Port
from compiler.encoding.tiles import Direction
from compiler.ir import Dialect, Op, prop

_PORT = re.compile(r"([A-Za-z]+)([0-9]{1,9})")
_BUNDLES = {
    bundle.value.upper() if bundle in (Bundle.DMA, Bundle.FIFO) else bundle.value.capitalize(): bundle
    for bundle in Bundle
}
_NAMES = {bundle: name for name, bundle in _BUNDLES.items()}


def port_name(port: Port) -> str:
    """A port as the operations name it, `DMA0` or `North3`."""
    return f"{_NAMES[port.bundle]}{port.index}"


def port_of(text: str) -> Port | None:
    """The port of such a name, None if it names none."""
    match = _PORT.fullmatch(text)
    bundle = _BUNDLES.get(match.group(1)) if match else None
    return Port(bundle, int(match.group(2))) if match and bundle else None


def _check_port(op: Op, text: str) -> None:
    if port_of(text) is None:
        names = ", ".join(_BUNDLES)
        raise op.error("port-name", f"has no port '{text}'", help=f"one of {names} and an index")


def _check_direction(op: Op, text: str) -> None:
    if text not in Direction.__members__:
        raise op.error("dma-direction", f"has no direction '{text}'", help="MM2S or S2MM")


class CircuitOp(Op):
    """Connect a slave port to a master port of one stream switch; ports are named as `DMA0`, `North3`."""

    name = "aie2.circuit"
    column: int = prop()
    row: int = prop()
    slave: str = prop()
    master: str = prop()

    def verify(self) -> None:
        _check_port(self, self.slave)
        _check_port(self, self.master)


class PacketSlaveOp(Op):
    """Put a slave port in packet mode; `slots` holds (id, mask, msel, arbiter) of each match slot in turn."""

    name = "aie2.packet_slave"
    column: int = prop()
    row: int = prop()
    slave: str = prop()
    slots: tuple[int, ...] = prop()

    def verify(self) -> None:
        _check_port(self, self.slave)
        if not self.slots or len(self.slots) % 4:
            raise self.error("slot-fields", f"has {len(self.slots)} slot numbers, expects 4 for each slot")


class PacketMasterOp(Op):
    """Let a master port take the packets of one arbiter whose msel is in the mask."""

    name = "aie2.packet_master"
    column: int = prop()
    row: int = prop()
    master: str = prop()
    arbiter: int = prop()
    msels: int = prop()
    drop_header: bool = prop()

    def verify(self) -> None:
        _check_port(self, self.master)


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


class CoreResetOp(Op):
    """Stop a core and put it in reset, so that its program memory can be written."""

    name = "aie2.core_reset"
    column: int = prop()
    row: int = prop()


class ProgramOp(Op):
    """Write a core's program memory from its start; the bytes are an array of the store."""

    name = "aie2.program"
    column: int = prop()
    row: int = prop()
    symbol: str = prop()
    digest: str = prop()


class CoreConfigOp(Op):
    """Write a core's configuration record (32 words) to its data memory."""

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

    def verify(self) -> None:
        _check_direction(self, self.direction)


class BdOp(Op):
    """Write a buffer descriptor.

    `address` is the word address as the DMA sees it; a shim's counts from the start of DDR argument
    `argument`.  `steps` and `wraps` are true values, innermost first; the last step has no wrap.  `iteration`
    is (step, wrap, current).  `acquire` and `release` are (lock id as the DMA sees it, amount); an acquire
    waits for at least the amount.  `next_bd` is the next of the chain.
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
    next_bd: int | None = prop(default=None)
    packet: int | None = prop(default=None)
    keep_open: bool = prop(default=False)
    argument: int | None = prop(default=None)

    def verify(self) -> None:
        if len(self.steps) != len(self.wraps) + 1:
            text = f"has {len(self.steps)} steps and {len(self.wraps)} wraps, expects one step more than wraps"
            raise self.error("bd-dims", text)
        for name, value, count in (
            ("iteration", self.iteration, 3),
            ("acquire", self.acquire, 2),
            ("release", self.release, 2),
        ):
            if value is not None and len(value) != count:
                raise self.error("bd-fields", f"has {len(value)} numbers of '{name}', expects {count}")


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

    def verify(self) -> None:
        _check_direction(self, self.direction)


class SyncOp(Op):
    """Wait for one task-complete token of a channel."""

    name = "aie2.sync"
    column: int = prop()
    row: int = prop()
    direction: str = prop()
    channel: int = prop()

    def verify(self) -> None:
        _check_direction(self, self.direction)


class LayerOp(Op):
    """From here on the control stream works for this layer (an index of layers.json), begun before or new."""

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
        CoreResetOp,
        ProgramOp,
        CoreConfigOp,
        CoreEnableOp,
        ChannelOp,
        BdOp,
        PushOp,
        SyncOp,
        LayerOp,
    ),
)
