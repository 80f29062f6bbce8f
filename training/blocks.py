"""Weights of a layer as blocks: the one place that knows axes, groups, ragged edges and kernel taps.

A layer's weights are seen as [groups, O, I, taps]: output and input channels of one group, and the kernel's taps as one
axis.  A block is `rows` output channels x `columns` input channels, of all taps at once (the block of D'Alberto et al.,
"Weight Block Sparsity", 2024, section 3) or of each tap by itself.  A grid is [groups, R, C, T]: one entry per block,
T being 1 for blocks of all taps.  Blocks at an edge are smaller; no block crosses a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor, nn

from compiler.blocks import BLOCK
from compiler.errors import Diagnostic, UsageError


class Taps(Enum):
    """Whether the kernel's taps live and die together."""

    ALL = "all"
    EACH = "each"


@dataclass(frozen=True)
class Block:
    """The size of a block in output and input channels, 8x8 being what the array skips."""

    rows: int = BLOCK
    columns: int = BLOCK
    taps: Taps = Taps.ALL

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1:
            text = f"a block of {self.rows}x{self.columns} channels is none"
            raise UsageError(Diagnostic("block-size", text, help="give two numbers above 0; the array skips 8x8"))

    @classmethod
    def read(cls, text: str) -> Block:
        """`8x8xK`, all taps of the kernel, or `8x8`, each tap by itself, as `bscc --prune-block` has them."""
        sides = text.removesuffix("xK").split("x")
        if len(sides) != 2 or not all(side.isdecimal() for side in sides):
            help = "8x8xK is 8x8 channels of all kernel taps, 8x8 of each tap by itself"
            raise UsageError(Diagnostic("block-size", f"'{text}' is no block", help=help))
        return cls(int(sides[0]), int(sides[1]), Taps.ALL if text.endswith("xK") else Taps.EACH)

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}" + "xK" * (self.taps is Taps.ALL)


Grid = tuple[int, int, int, int]
"""Groups, block rows, block columns, taps."""


@dataclass(frozen=True)
class BlockView:
    """How the weights of one layer, of `shape`, are blocks.

    `transposed` says that the input channels come first, as in a transposed convolution.  `flattened` is the number of
    channels of the image that was flattened for a dense layer (0: none was): its pixels are the taps.
    """

    shape: tuple[int, ...]
    block: Block
    groups: int = 1
    transposed: bool = False
    flattened: int = 0

    @classmethod
    def of(cls, layer: nn.Module, block: Block, flattened: int = 0) -> BlockView:
        """The view of a layer's `weight`."""
        weight = layer.weight
        assert isinstance(weight, Tensor)
        groups = getattr(layer, "groups", 1)
        assert isinstance(groups, int)
        transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d)
        return cls(tuple(weight.shape), block, groups, transposed, flattened)

    @property
    def matrix(self) -> tuple[int, int, int, int]:
        """Groups, output channels of a group, input channels of a group, taps."""
        first, second = self.shape[:2]
        taps = 1
        for side in self.shape[2:]:
            taps *= side
        if self.transposed:
            return self.groups, second, first // self.groups, taps
        if self.flattened:
            return 1, first, self.flattened, second // self.flattened
        return self.groups, first // self.groups, second, taps

    @property
    def grid(self) -> Grid:
        """How many blocks there are along each axis."""
        groups, out, inp, taps = self.matrix
        rows, columns = -(-out // self.block.rows), -(-inp // self.block.columns)
        return groups, rows, columns, 1 if self.block.taps is Taps.ALL else taps

    def unfold(self, weight: Tensor) -> Tensor:
        """[groups, O, I, taps] of values in the layer's own shape; no copy where none is needed."""
        groups, out, inp, taps = self.matrix
        if self.transposed:
            return weight.reshape(groups, inp, out, taps).transpose(1, 2)
        return weight.reshape(groups, out, inp, taps)

    def fold(self, matrix: Tensor) -> Tensor:
        """The inverse of `unfold`."""
        return (matrix.transpose(1, 2) if self.transposed else matrix).reshape(self.shape)

    def sums(self, values: Tensor) -> Tensor:
        """The sum over each block of values in the layer's own shape: the grid's shape."""
        groups, out, inp, _ = self.matrix
        _, rows, columns, kept_taps = self.grid
        tall, wide = rows * self.block.rows, columns * self.block.columns
        matrix = nn.functional.pad(self.unfold(values), (0, 0, 0, wide - inp, 0, tall - out))
        parts = matrix.reshape(groups, rows, self.block.rows, columns, self.block.columns, kept_taps, -1)
        return parts.sum(dim=(2, 4, 6))

    def sizes(self) -> Tensor:
        """How many weights each block really has, float64, in the grid's shape."""
        return self.sums(torch.ones(self.shape, dtype=torch.float64))

    def means(self, values: Tensor) -> Tensor:
        """The mean over the real weights of each block, so that blocks at an edge compare with whole ones."""
        return self.sums(values) / self.sizes().to(values)

    def expand(self, grid: Tensor) -> Tensor:
        """Every weight's own block: values of the grid's shape in the layer's own shape."""
        groups, out, inp, taps = self.matrix
        wide = grid.repeat_interleave(self.block.rows, dim=1)[:, :out]
        wide = wide.repeat_interleave(self.block.columns, dim=2)[:, :, :inp]
        return self.fold(wide.expand(groups, out, inp, taps))
