"""Groups of 4 pixels: every tap of every lane finds its pixel, and tiles with their borders fill what is stored."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.encoding.work import GROUP_BYTES, LANES
from compiler.mapping.lanes import lanes_of, reach
from compiler.mapping.network import room_bytes
from compiler.mapping.program import Part, Region, Work, chunks
from compiler.mapping.shapes import Layer, Mapping, Storage, even_share, groups_of
from compiler.mapping.sizes import tile_sizes


def storage(height: int, width: int, channels: int, border: tuple[int, int, int, int], past: int) -> Storage:
    """`border` is top, left, bottom, right; `past` the pixels from the first valid one that must be there."""
    top, left, bottom, right = border
    slack = max(0, max(past, LANES * groups_of(width)) - width - right)
    return Storage(height, width, channels, top, bottom, left, right, slack, 0, True)


def layer(kernel: str, size: tuple[int, int], window: tuple[int, int], stride: int, pads: tuple[int, int, int, int],
          dilation: int) -> Layer:  # fmt: skip
    return Layer(
        kernel=kernel, channels=16, out_height=size[0], out_width=size[1], out_channels=16, window=window,
        strides=(stride, stride), pads=pads, dilations=(dilation, dilation), x_signed=True, y_signed=True,
        r_signed=True, x_zero=0, r_zero=0, mid=(0, 0, 0), out=(0, -128, 127), add=(0, 0, 0), operands=1, weight="",
        params="", scale=(1, 0), kept_blocks=0, counted_pads=(0, 0, 0, 0), exact=False,
    )  # fmt: skip


@st.composite
def works(draw: st.DrawFn) -> Work:
    """A layer on an image that its windows just cover, and a result with a border of its own."""
    window = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    top, left, bottom, right = (draw(st.integers(0, 2)) for _ in range(4))
    size = draw(st.integers(1, 7)), draw(st.integers(1, 19))
    kernel = draw(st.sampled_from(["conv", "max_pool"]))
    one = layer(kernel, size, window, stride, (top, left, bottom, right), dilation)
    reached = [(size[i] - 1) * stride + (window[i] - 1) * dilation + 1 for i in range(2)]
    height, width = max(1, reached[0] - top - bottom), max(1, reached[1] - left - right)
    source = storage(height, width, 16, (top, left, bottom + 6, right + 6), reach(one))
    border = draw(st.tuples(*[st.integers(0, 2)] * 4))
    return Work(one, (source,), storage(*size, 16, border, draw(st.integers(0, 24))))


def walked(region: Region) -> list[tuple[int, int, int]]:
    """Row, block and pixel of each 8 bytes of a transfer, in order."""
    steps = [[i * step for i in range(count)] for count, step in reversed(region.walk)]
    return [
        (row, block, region.start + sum(pixel))
        for row in range(*region.rows)
        for block in range(*region.blocks)
        for pixel in product(*steps)
    ]


@settings(max_examples=100, deadline=None)
@given(works(), st.integers(1, 4), st.integers(2, 4))
def test_columns_that_share_work_send_equally_many_bytes(work: Work, high: int, parts: int) -> None:
    """Border bytes are part of a call's record, which is the same in all columns."""
    y = work.output
    sizes = set()
    for index in range(parts):
        ends = even_share(y.height, parts, index)
        tiles = chunks(*ends, high)
        packets = [work.out_packet(rows, (0, y.width), (0, y.blocks), ends) for rows in tiles]
        sizes.add(tuple(packet.bytes for packet in packets))
        stored = y.stored_rows(*ends)
        room = room_bytes(y, [(stored, (0, y.blocks))], ends[1] - ends[0])
        spare = [part for packet in packets for part in packet.spare]
        last = max((part.rows[1] for part in spare), default=0)
        assert (stored[1] - stored[0] + last) * y.row_bytes <= room, "there is room behind what a column holds"
        places = [place for part in spare for place in walked(part)]
        assert len(places) == len(set(places))
    assert len(sizes) == 1


@settings(max_examples=200, deadline=None)
@given(works(), st.integers(1, 7), st.integers(1, 5), st.integers(1, 2))
def test_tiles_fill_what_is_stored(work: Work, high: int, groups: int, deep: int) -> None:
    y = work.output
    filled: dict[tuple[int, int, int], str] = {}
    for rows, columns, blocks in product(
        chunks(0, y.height, high), chunks(0, y.width, LANES * groups), chunks(0, y.blocks, deep)
    ):
        packet = work.out_packet(rows, columns, blocks, None)
        own = {}
        for row, block, pixel in walked(packet.tile):
            valid = pixel < y.left + min(columns[1], y.width)
            own[row, block, pixel] = "valid" if valid else "junk"
        for part in packet.border:
            own |= dict.fromkeys(walked(part), "pad")
        assert not {place for place, what in own.items() if what == "valid"} & filled.keys()
        assert packet.bytes == 8 * (len(walked(packet.tile)) + sum(len(walked(part)) for part in packet.border))
        mapping = Mapping("rows", "rows", high, min(LANES * groups, y.width), deep, 2, work.layer.window[0])
        sizes = tile_sizes(work.layer, mapping, y)
        assert packet.tile.bytes <= sizes.tile_bytes and packet.border_bytes <= sizes.border_bytes
        filled |= own
    for row, block, pixel in product(range(y.rows), range(y.blocks), range(y.pitch)):
        inside = y.top <= row < y.top + y.height and y.left <= pixel < y.left + y.width
        expected = {"valid"} if inside else {"pad"} if y.bordered else {"junk"}
        assert filled[row, block, pixel] in expected, (row, block, pixel)


@settings(max_examples=200, deadline=None)
@given(works(), st.integers(1, 7), st.integers(1, 5))
def test_each_tap_of_each_lane_finds_its_pixel(work: Work, high: int, groups: int) -> None:
    """A kernel goes from a group's start by whole groups; what it reads there is what the window wants."""
    one, source = work.layer, work.inputs[0]
    part = Part((0, 2), (0, one.window[0]), (0, one.window[1]))
    for rows, columns in product(chunks(0, one.out_height, high), chunks(0, one.out_width, LANES * groups)):
        lanes = lanes_of(one, columns[1] - columns[0])
        region = work.in_region(rows, columns, part)
        stream = walked(region)
        assert max(pixel for _, _, pixel in stream) < source.pitch and min(pixel for _, _, pixel in stream) >= 0
        assert len(stream) * 8 == region.bytes
        outs = walked(work.own_region(work.output, rows, columns, (0, 1)))
        for place, (row, _, column) in enumerate(outs):
            group, lane = divmod(place, LANES)
            down, along = divmod(group, lanes.wide)
            start = (down * one.strides[0] * 2 * lanes.input_wide + along * lanes.step) * GROUP_BYTES
            for ky, kx, block in product(range(one.window[0]), range(one.window[1]), range(2)):
                offset = (ky * one.dilations[0] * 2 + block) * lanes.input_wide + kx * one.dilations[1]
                found = stream[(start // GROUP_BYTES + offset) * LANES + lane]
                wanted = (
                    (row - work.output.top) * one.strides[0] - one.pads[0] + ky * one.dilations[0] + source.top,
                    block,
                    (column - work.output.left) * one.strides[1] - one.pads[1] + kx * one.dilations[1] + source.left,
                )
                assert found == wanted
