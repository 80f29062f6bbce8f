# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg"
"""Array elements for numba without its test for negative places, which keeps LLVM from vector code.

Places are computed from tables that `lowering` made and are never negative nor too large.
"""

from functools import partial

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

# Nothing here allocates; without that possibility numba does not count references, which would cost more than the work.
# Only the engine, which calls all the rest, is kept in numba's cache: the parts would stay there when they change.
compiled = partial(njit, _nrt=False)
inlined = partial(njit, _nrt=False, inline="always")  # a call with many arrays costs as much as a small event

CELL_WORDS = 4
_CELL = ir.VectorType(ir.IntType(64), CELL_WORDS)


def _pointer(context, builder, kind, array, place):
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [place], inbounds=True)


@intrinsic
def peek(typing, array, place):
    """array[place]"""

    def generate(context, builder, signature, arguments):
        return builder.load(_pointer(context, builder, signature.args[0], *arguments))

    return array.dtype(array, types.int64), generate


@intrinsic
def poke(typing, array, place, value):
    """array[place] = value, its low bits"""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        width = pointer.type.pointee
        number = arguments[2]
        if number.type.width > width.width:
            number = builder.trunc(number, width)
        elif number.type.width < width.width:
            number = builder.sext(number, width)
        builder.store(number, pointer)
        return context.get_dummy_value()

    return types.void(array, types.int64, value), generate


def _cell(context, builder, kind, array, place):
    return builder.bitcast(_pointer(context, builder, kind, array, place), _CELL.as_pointer())


@intrinsic
def copy_cell(typing, target, to, source, place):
    """target[to : to + 4] = source[place : place + 4], arrays of 64-bit words: a register cell of 256 bits"""

    def generate(context, builder, signature, arguments):
        start = _cell(context, builder, signature.args[2], arguments[2], arguments[3])
        end = _cell(context, builder, signature.args[0], arguments[0], arguments[1])
        builder.store(builder.load(start, align=8), end, align=8)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate


_I32 = ir.IntType(32)
_ROW = ir.VectorType(_I32, 8)


def _splat(builder, number):
    first = builder.insert_element(ir.Constant(_ROW, ir.Undefined), number, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, ir.Constant(_ROW, ir.Undefined), ir.Constant(_ROW, [0] * 8))


@intrinsic
def matrix_product(typing, data, x, y, target, to, sign, x_mask, y_mask):
    """Into target, 32-bit words: sign * x @ y of 4x8 and 8x8 bytes of data; a mask of 255 drops their signs, -1 not.

    Spelled in vectors of eight words, a row of y and of the result each, because LLVM does not find them by itself.
    """

    def generate(context, builder, signature, arguments):
        array, at_x, at_y, result, at_result, plus, keep_x, keep_y = arguments
        kinds = signature.args

        def row(place):
            where = builder.add(at_y, ir.Constant(at_y.type, 8 * place))
            pointer = _pointer(context, builder, kinds[0], array, where)
            bytes_ = builder.load(builder.bitcast(pointer, ir.VectorType(ir.IntType(8), 8).as_pointer()), align=1)
            return builder.and_(builder.sext(bytes_, _ROW), mask)

        mask = _splat(builder, keep_y)
        rows = [row(k) for k in range(8)]
        for i in range(4):
            total = ir.Constant(_ROW, [0] * 8)
            for k in range(8):
                where = builder.add(at_x, ir.Constant(at_x.type, 8 * i + k))
                byte = builder.load(_pointer(context, builder, kinds[0], array, where))
                factor = builder.mul(builder.and_(builder.sext(byte, _I32), keep_x), plus)
                total = builder.add(total, builder.mul(_splat(builder, factor), rows[k]))
            where = builder.add(at_result, ir.Constant(at_result.type, 8 * i))
            pointer = _pointer(context, builder, kinds[3], result, where)
            builder.store(total, builder.bitcast(pointer, _ROW.as_pointer()), align=4)
        return context.get_dummy_value()

    word, place = types.int32, types.int64
    return types.void(data, place, place, target, place, word, word, word), generate


__all__ = ["CELL_WORDS", "compiled", "copy_cell", "inlined", "matrix_product", "peek", "poke"]
