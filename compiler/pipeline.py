"""THE list of dialects and passes, in the order they run."""

from __future__ import annotations

from compiler.ir import Dialect
from compiler.pass_manager import Pass
from dialects import aie2, bsp, nn, tile
from passes.assign_layout import AssignLayout
from passes.balance_channels import BalanceChannels
from passes.block_compaction import BlockCompaction
from passes.canonicalize import Canonicalize
from passes.choose_tiles import ChooseTiles
from passes.depthwise_tiling import DepthwiseTiling
from passes.fold_quantization import FoldQuantization
from passes.fuse_epilogue import FuseEpilogue
from passes.lower_to_aie2 import LowerToAie2
from passes.memory_planning import MemoryPlanning
from passes.route_streams import RouteStreams
from passes.wrap_rows import WrapRows

DIALECTS: tuple[Dialect, ...] = (nn.DIALECT, bsp.DIALECT, tile.DIALECT, aie2.DIALECT)

PASSES: tuple[type[Pass], ...] = (
    FoldQuantization,
    Canonicalize,
    BlockCompaction,
    FuseEpilogue,
    WrapRows,
    AssignLayout,
    BalanceChannels,
    DepthwiseTiling,
    ChooseTiles,
    MemoryPlanning,
    LowerToAie2,
    RouteStreams,
)

DEFAULT_PIPELINE: str = ",".join(one.name for one in PASSES)
