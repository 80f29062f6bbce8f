"""The whole machine: builds the array, plays a control stream, and says why it stopped."""

from collections.abc import Callable

from compiler.encoding.costs import KernelCosts
from compiler.encoding.descriptors import LIMITS
from compiler.encoding.tiles import Direction, TileKind
from compiler.encoding.transaction import read_transactions
from compiler.plan import CONTROL
from compiler.target import Target
from runtime_sim.array import Array, Settings, TileState
from runtime_sim.control import ChannelKey, Control
from runtime_sim.core import AnyCore, Core, RunCall
from runtime_sim.dma import Channel
from runtime_sim.faults import sim_fault
from runtime_sim.kernels import run_call
from runtime_sim.memory import Bytes
from runtime_sim.record import Event, KernelRecord, Result
from runtime_sim.streams import Place
from runtime_sim.transfer import Network

CoreMaker = Callable[[Array, TileState], AnyCore]

__all__ = ["CoreMaker", "Event", "KernelRecord", "Result", "simulate"]


def simulate(
    control: bytes,
    target: Target,
    arguments: dict[int, Bytes],
    costs: KernelCosts,
    *,
    compute: bool = True,
    layer_of_op: Callable[[int], int] | None = None,
    program: str = "",
    kernel: RunCall = run_call,
    core: CoreMaker | None = None,
    place: str = CONTROL,
) -> Result:
    """Play a control stream; outputs are written into `arguments` in place, cores take what `costs` say.

    `compute=False` keeps the clock only: work packets are moved, activations are not, and nothing is checked
    that needs them.  `layer_of_op` gives the layer of a control operation, below 0 where there is none.
    A core that starts must hold the program of sha256 `program`, unless that is empty.  `core` makes the cores,
    such as `InstructionCore` where they are to run that program; else they call `kernel` and take what `costs` say.
    `place` names the stream in errors.
    """
    stream = read_transactions(control, place)
    array = Array(target, arguments, Settings(costs, compute, program))
    channels = _channels(array)
    sinks = {
        (place, number): channel
        for (place, direction, number), channel in channels.items()
        if direction is Direction.S2MM
    }
    network = Network(array, sinks)
    for channel in channels.values():
        channel.network = network
    core_tiles = [state for state in array.tiles.values() if state.kind is TileKind.CORE]
    make = core or (lambda array, state: Core(array, state, kernel))
    cores = {state.place: make(array, state) for state in core_tiles}
    processor = Control(array, stream, channels, cores, layer_of_op)
    array.clock.after(0, processor.step)
    array.clock.run()
    _check_end(processor, channels, cores)
    array.result.cycles = array.clock.now
    array.return_arguments(arguments)
    return array.result


def _channels(array: Array) -> dict[ChannelKey, Channel]:
    return {
        (place, direction, number): Channel(array, state, direction, number)
        for place, state in array.tiles.items()
        for direction in Direction
        for number in range(LIMITS[state.kind].channels)
    }


def _check_end(processor: Control, channels: dict[ChannelKey, Channel], cores: dict[Place, AnyCore]) -> None:
    """Nothing happens any more: either all is done, or it is a deadlock."""
    complaints = [processor.complaint(), *(core.complaint() for core in cores.values())]
    complaints += [channel.complaint() for channel in channels.values()]
    found = [text for text in complaints if text]
    if not found:
        return
    now = processor.array.clock.now
    text = f"nothing moves any more after {now} cycles, {len(found)} still wait: {found[0]}"
    layers = [core.layer for core in cores.values() if core.complaint()]
    raise sim_fault("deadlock", text, "array", max(layers, default=-1), found)
