"""A network as the mapping sees it: layers in order, the buffers they share, and where each buffer lives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from compiler.encoding.work import BLOCK
from compiler.errors import UNKNOWN, Location
from compiler.mapping.places import Spread
from compiler.mapping.program import Extent, chunks, divide
from compiler.mapping.shapes import Layer, Mapping, Storage, blocks_of, even_share


@dataclass
class Tensor:
    """A stored activation; `level` may go from `mem` to `ddr` while the plan is made, never back.

    A part of interleaved tensors has `places` in these, and none of its own.
    """

    number: int
    owner: str
    storage: Storage
    level: str = "mem"
    argument: int = 3
    data: str = ""
    writers: list[int] = field(default_factory=list)
    readers: list[int] = field(default_factory=list)
    places: tuple[Place, ...] = ()

    @property
    def stored_in(self) -> tuple[Tensor, ...]:
        """The tensors whose bytes are written with it."""
        return tuple(one.whole for one in self.places) or (self,)


@dataclass(frozen=True)
class Place:
    """Where a part is stored: the whole, the block of it where the part's first block lies, and its pixels there."""

    whole: Tensor
    at: int
    spread: Spread


@dataclass(frozen=True)
class View:
    """Part of a tensor: channels from block `at` on, `height` rows from `row` on."""

    tensor: Tensor
    at: int
    channels: int
    row: int
    height: int

    @property
    def storage(self) -> Storage:
        """The storage seen through the view: same rows and pitch, its own channels."""
        return replace(self.tensor.storage, channels=self.channels)

    @property
    def bytes(self) -> int:
        """Bytes of the rows that are seen, without the border above and below."""
        return self.height * self.storage.row_bytes


@dataclass
class Node:
    """A layer with its operands; `mapping` is chosen for `columns_by`, `pieces` is how many passes it takes,
    each some rows or some blocks, see `passes_by`."""

    number: int
    title: str
    layer: Layer
    inputs: tuple[View, ...]
    output: View
    columns_by: str = "rows"
    pieces: int = 1
    mapping: Mapping | None = None
    loc: Location = UNKNOWN

    @property
    def place(self) -> str | Location:
        """What an error about the layer names: the ONNX nodes, or its title if it comes from no model."""
        return self.title if self.loc == UNKNOWN else self.loc


def column_extents(node: Node, columns: int, piece: int) -> tuple[Extent, ...]:
    """What each column computes in one pass: its share of the layer, cut into passes."""
    extents = []
    by = passes_by(node.layer, node.columns_by)
    for column in range(columns):
        share = column_share(node.layer, node.columns_by, columns, column)
        first, last = share.rows if by == "rows" else share.blocks
        parts = chunks(first, last, -(-max(1, last - first) // node.pieces))
        part = parts[piece] if piece < len(parts) else (last, last)
        extents.append(Extent(part, share.blocks) if by == "rows" else Extent(share.rows, part))
    return tuple(extents)


def passes_by(layer: Layer, columns_by: str) -> str:
    """What passes divide: rows; of a single one, as of a mean over the image, the channels where columns do, too.

    Channels of a convolution's result would not do: each of them reads all of the operand.
    """
    return "channels" if columns_by == "channels" and layer.out_height == 1 and not layer.is_conv else "rows"


def column_share(layer: Layer, by: str, columns: int, column: int) -> Extent:
    """What a column computes of a layer; of rows all columns get equally many, and some are computed twice."""
    whole = Extent((0, layer.out_height), (0, layer.out_blocks))
    if by == "rows":
        return Extent(even_share(layer.out_height, columns, column), whole.blocks)
    return divide(whole, by, columns, column)


def most_pieces(layer: Layer, by: str, columns: int) -> int:
    """The most passes a layer can be cut into: each makes at least one row, or one block, of a column."""
    if passes_by(layer, by) == "channels":
        return -(-layer.out_blocks // columns)
    return -(-layer.out_height // (columns if by == "rows" else 1))


def needed(node: Node, operand: int, extent: Extent) -> tuple[tuple[int, int], tuple[int, int]]:
    """Stored rows and blocks of an operand that an extent of the result reads, in the operand's buffer."""
    view = node.inputs[operand]
    if extent.empty:
        return (0, 0), (0, 0)
    if operand == 0:
        first, last = node.layer.in_rows(*extent.rows)
    else:
        first, last = extent.rows
    top = view.tensor.storage.top + view.row
    whole = operand == 0 and node.layer.is_conv
    blocks = (0, blocks_of(view.channels)) if whole else extent.blocks
    return (first + top, last + top), (blocks[0] + view.at, blocks[1] + view.at)


def filled(node: Node, extent: Extent) -> tuple[tuple[int, int], tuple[int, int]]:
    """Stored rows and blocks of the result that an extent fills, in the result's buffer."""
    if extent.empty:
        return (0, 0), (0, 0)
    view, (first, last) = node.output, extent.rows
    rows = view.tensor.storage.stored_rows(first + view.row, last + view.row)
    return rows, (extent.blocks[0] + view.at, extent.blocks[1] + view.at)


def band(storage: Storage, columns: int, column: int) -> tuple[int, int]:
    """Stored rows of a tensor that column `column` keeps when it lives in the memory tiles."""
    return storage.stored_rows(*even_share(storage.height, columns, column))


def reaches(node: Node, columns: int) -> bool:
    """Whether each column finds all rows it reads in its own memory tile and the two beside it."""
    for operand, view in enumerate(node.inputs):
        if view.tensor.level != "mem":
            continue
        for column, extent in enumerate(column_extents(replace(node, pieces=1), columns, 0)):
            first, last = needed(node, operand, extent)[0]
            # Neighbouring bands touch or overlap, so what lies between the ends of the outer two is there.
            start = band(view.tensor.storage, columns, max(0, column - 1))[0]
            end = band(view.tensor.storage, columns, min(columns, column + 2) - 1)[1]
            if first < start or last > end:
                return False
    return True


def room_bytes(storage: Storage, parts: list[tuple[tuple[int, int], tuple[int, int]]], high: int) -> int:
    """Bytes of the largest share of a result of which columns make `high` rows each.

    There is room for the border above and below, which columns that do the same work send wherever they are.
    """
    rows = max(high + storage.top + storage.bottom, *(r[1] - r[0] for r, _ in parts))
    return rows * max(b[1] - b[0] for _, b in parts) * storage.pitch * BLOCK


def share_bytes(storage: Storage, parts: list[tuple[tuple[int, int], tuple[int, int]]]) -> int:
    """Bytes of the largest share of rows and blocks."""
    return max((r[1] - r[0]) * (b[1] - b[0]) for r, b in parts) * storage.pitch * BLOCK


def band_bytes(storage: Storage, columns: int) -> int:
    """Bytes of a memory tile that a tensor takes when it lives there."""
    parts = [(band(storage, columns, column), (0, storage.blocks)) for column in range(columns)]
    return room_bytes(storage, parts, -(-storage.height // columns))
