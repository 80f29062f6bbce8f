"""The encodings of AMD's own compiler tests, word for word, and the listing that reads them back."""

import numpy as np

from compiler.encoding.descriptors import Acquire, CoreBd, Dim, MemTileBd, Release, ShimBd
from compiler.encoding.disassembly import disassemble, listing
from compiler.encoding.packets import ControlPacketHeader, PacketHeader
from compiler.encoding.register_map import BdWord, StartQueue, register_offset, task_word
from compiler.encoding.tiles import Direction, Tile, TileKind
from compiler.encoding.transaction import (
    BlockWrite,
    DdrPatch,
    LoadPdi,
    MaskPoll,
    MaskWrite,
    Op,
    Sync,
    TransactionWriter,
    Write32,
    patch_bd,
    read_transactions,
    write_register,
)

# mlir-aie test/Targets/NPU/npu_instgen.mlir, device npu1.
COUNTING = " ".join(f"{word:08X}" for word in range(100, 108))
STREAM = f"""
06030100 00000104 00000007 000000DC
00000000 00000000 06400DEF 00000000 00000042 00000018
00000000 00000000 ABC00DEF 00000000 00000314 00000018
00000001 00000000 12345679 00000030 {COUNTING}
00000001 00000101 02100064 00000030 {COUNTING}
00000003 00000000 0430567A 00000000 00001001 F00FF00F 0000001C
00000080 00000010 00030401 05010200
00020008 00000400 12345678 00000ABC
"""
OPS: tuple[Op, ...] = (
    Write32(address=Tile(3, 4, TileKind.CORE).address(0xDEF), value=0x42),
    Write32(address=0xABC00DEF, value=0x314),
    BlockWrite(address=0x12345679, data=tuple(range(100, 108))),
    BlockWrite(address=Tile(1, 1, TileKind.MEMTILE).address(100), data=tuple(range(100, 108)), column=1, row=1),
    MaskWrite(address=Tile(2, 3, TileKind.CORE).address(0x567A), value=0x1001, mask=0xF00FF00F),
    Sync(column=3, row=4, direction=Direction.MM2S, channel=5, columns=1, rows=2),
    LoadPdi(id=2, size=1024, address=0xABC12345678),
)


def stream_bytes() -> bytes:
    return np.array([int(word, 16) for word in STREAM.split()], dtype="<u4").tobytes()


def test_stream_of_npu_instgen_is_written_and_read() -> None:
    writer = TransactionWriter()
    for op in OPS:
        writer.append(op)
    assert writer.finish() == stream_bytes()
    read = read_transactions(stream_bytes())
    assert read.ops == OPS
    assert (read.header.operations, read.header.size_bytes, read.header.rows) == (7, 220, 6)
    assert [read.ops[0].encode()[2], read.starts[0], read.starts[2]] == [0x06400DEF, 16, 64]


# mlir-aie test/Conversion/DmaToNpu/dma_to_npu_core_tile.mlir, whose numbers are raw register values.
CORE_WORDS = (1180485, 1430061056, 9093684, 266847009, 22249971, 1465218380)
CORE_BD = CoreBd(
    length=837,
    base_words=291 // 4,
    packet=True,
    out_of_order_id=21,
    packet_id=7,
    packet_type=5,
    step0=564 + 1,
    wrap0=62,
    step1=1110 + 1,
    wrap1=127,
    step2=801 + 1,
    iteration_current=42,
    iteration_step=499 + 1,
    iteration_wrap=28 + 1,
    acquire_id=12,
    acquire_value=42,
    acquire_enable=True,
    release_id=11,
    release_value=85 - 128,
    next_bd=10,
    use_next_bd=True,
    valid=True,
)


def test_core_descriptor_of_dma_to_npu_core_tile() -> None:
    assert CORE_BD.encode() == CORE_WORDS
    assert CoreBd.decode(np.array(CORE_WORDS, dtype=np.uint32)) == CORE_BD
    tile = Tile(0, 2, TileKind.CORE)
    assert tile.address(register_offset(tile.kind, BdWord(6, 0))) == 0x21D0C0
    assert CORE_BD.dims() == (Dim(565, 62), Dim(1111, 127), Dim(802, 0))
    assert CORE_BD.iteration() == Dim(500, 29)
    assert CORE_BD.acquire() == Acquire(lock=12, amount=42, at_least=False)
    assert (CORE_BD.release(), CORE_BD.following()) == (Release(11, -43), 10)


def test_memory_tile_descriptor_of_am025() -> None:
    """Packed by hand from DMA_BD0_0..7 of memory_tile, as mlir-aie packs only a part of it."""
    ends = MemTileBd(
        packet=True, packet_type=5, packet_id=7, out_of_order_id=21, length=837,
        pad_before0=9, next_bd=30, use_next_bd=True, base_words=0x20000 + 72,
    )  # fmt: skip
    assert ends.encode()[:2] == (
        1 << 31 | 5 << 28 | 7 << 23 | 21 << 17 | 837,
        9 << 26 | 30 << 20 | 1 << 19 | 0x20048,
    )
    dims = MemTileBd(
        tlast_suppress=True, wrap0=62, step0=565, pad_before1=3, wrap1=127, step1=1111,
        compression=True, pad_before2=2, wrap2=11, step2=802,
        pad_after2=1, pad_after1=4, pad_after0=6, step3=900,
    )  # fmt: skip
    assert dims.encode()[2:6] == (
        1 << 31 | 62 << 17 | 564,
        3 << 27 | 127 << 17 | 1110,
        1 << 31 | 2 << 27 | 11 << 17 | 801,
        1 << 28 | 4 << 23 | 6 << 17 | 899,
    )
    locks = MemTileBd(
        iteration_current=42, iteration_wrap=29, iteration_step=500, valid=True,
        release_value=-43, release_id=75, acquire_enable=True, acquire_value=42, acquire_id=140,
    )  # fmt: skip
    assert locks.encode()[6:] == (
        42 << 23 | 28 << 17 | 499,
        1 << 31 | 85 << 24 | 75 << 16 | 1 << 15 | 42 << 8 | 140,
    )


# mlir-aie test/Targets/NPU/npu_dma_memcpy.mlir: sizes [1, 2, 32, 32], strides [4096, 2048, 64, 1] of i32.
SHIM_WORDS = (2048, 0, 0, 0x02000000, 0x8200003F, 0x020007FF, 0, 0x02000000)
SHIM_BD = ShimBd(length=2048, wrap0=32, step1=64, wrap1=32, step2=2048, burst_bytes=256, valid=True)


def test_shim_transfer_of_npu_dma_memcpy() -> None:
    tile = Tile(0, 0, TileKind.SHIM)
    assert SHIM_BD.encode() == SHIM_WORDS
    write = write_register(tile, BdWord(0, 0), SHIM_BD)
    assert write == BlockWrite(address=0x1D000, data=SHIM_WORDS)
    assert patch_bd(tile, 0, 0, 16384) == DdrPatch(address=0x1D004, argument=0, offset_bytes=16384)
    push = write_register(tile, StartQueue(Direction.MM2S, 0), task_word(TileKind.SHIM, 0))
    assert push == Write32(address=0x1D214, value=0)
    assert disassemble(write) == (
        "blockwrite tile(0,0) bd0.0 words=8 "
        "bd0{length=2048 wrap0=32 burst_bytes=256 wrap1=32 step1=64 step2=2048 valid}"
    )


def test_poll_of_npu_maskpoll() -> None:
    """The words of mlir-aie npu_maskpoll.mlir."""
    poll = MaskPoll(address=0x21D000, value=1, mask=0xFFFFFFFF)
    assert poll.encode() == (4, 0, 0x0021D000, 0, 1, 0xFFFFFFFF, 0x1C)
    assert disassemble(poll) == "maskpoll tile(0,2) bd0.0 value=0x00000001 mask=0xffffffff"


def test_headers_of_control_packets() -> None:
    """The words of mlir-aie control_packets.mlir: packet id 27, then a write, a block write and a read."""
    assert PacketHeader.decode((0x8000001B,)) == PacketHeader(id=27)
    headers = {
        0x0001F000: ControlPacketHeader(address=126976),
        0x09B1F020: ControlPacketHeader(address=127008, beats=4, operation=2, response_id=9),
        0x02700400: ControlPacketHeader(address=1024, beats=4, operation=1, response_id=2),
    }
    for word, header in headers.items():
        assert header.encode() == (word,)
        assert ControlPacketHeader.decode((word,)) == header


def test_listing_names_registers_fields_and_nodes() -> None:
    lines = list(listing(read_transactions(stream_bytes()), lambda number, op: f"Conv_{number}"))
    assert " ".join(lines[0].split()) == "0 write32 tile(3,4) data[0xdef] 0x00000042 ; Conv_0"
    assert " ".join(lines[5].split()) == "5 sync tile(3,4) mm2s5 columns=1 rows=2 ; Conv_5"
    tile = Tile(0, 1, TileKind.MEMTILE)
    push = write_register(tile, StartQueue(Direction.MM2S, 0), task_word(tile.kind, 3, repeat=4, token=True))
    assert disassemble(push) == "write32 tile(0,1) mm2s0.start_queue bd=3 repeat=4 token"


def test_listing_shows_words_that_decode_to_nothing_as_numbers() -> None:
    odd = Write32(address=Tile(0, 2, TileKind.CORE).address(0x1F000), value=0xFFFFFFFF)
    assert disassemble(odd) == "write32 tile(0,2) lock0 0xffffffff"
    broken = (1 << 31, *SHIM_WORDS[1:3], 1 << 31, *SHIM_WORDS[4:])
    block = BlockWrite(address=0x1D000, data=broken)
    assert disassemble(block).endswith("words=8 0x80000000 0x00000000 0x00000000 0x80000000 ... 4 more")
