'''The IR: values, operations, text form, rewriting.  Nothing here knows a dialect.

Declare an operation.  The annotated fields are the declaration: mypy derives the constructor from them
(`Conv2dOp(x, weight, bias, others, kernel=(3, 3), loc=...)`), so those with a default come last.
Annotations are evaluated: import what they name for real and not under TYPE_CHECKING, and declare classes
at module level.

    class Conv2dOp(Op):
        """What it computes."""

        name = "bsp.conv2d"
        pure = True                                              # may go when nobody reads it

        x: Value[TensorType] = operand()
        weight: Value[BlockMatrixType | TensorType] = operand()
        bias: Value[TensorType] | None = optional_operand()      # pass None
        others: tuple[Value[TensorType], ...] = operands()       # pass a tuple
        kernel: tuple[int, ...] = prop()                         # array<i64: 3, 3>
        symbol: str = prop()                                     # "conv1"
        act: Activation | None = prop(default=None)              # absent in the text when None
        y: Value[TensorType] = result()                          # `results()` for any number

        def infer(self) -> tuple[Type, ...]: ...                 # the types of the results; shape rules
        def verify(self) -> None: ...                            # other rules: raise self.error(code, ...)

A loop declares `body: Region = region()`, made with `Region.of(type, ...)` or `Region(Block([type, ...]))`;
a region has one block or none.  A property is any attribute class, `int` (i64), `str`, `bool`, `float`, or a
tuple of one of these, perhaps `| None`.  Two groups of operands that vary bring `operandSegmentSizes`.
Where mypy knows only `Value[Type]`, `value.typed(TensorType)` is the same value, checked.

Declare attributes and types.  A frozen dataclass gets the body `field = value, ...`; override both to differ:

    @dataclass(frozen=True)
    class Quant(DialectAttribute, mnemonic="nn.quant"):          # #nn.quant<scale = 0.5, zero = 3>
        scale: float
        zero: int

    class Activation(EnumAttr, mnemonic="bsp.act"):              # #bsp.act<relu>
        RELU = "relu"

    @dataclass(frozen=True)
    class BlockMatrixType(DialectType, mnemonic="bsp.mat"):      # !bsp.mat<32x144xi8, nnz = 37>
        shape: tuple[int, ...]
        element: Type
        nnz: int

        def body(self) -> str:
            return f"{'x'.join(map(str, self.shape))}x{self.element}, nnz = {self.nnz}"

        @classmethod
        def parse_body(cls, body: Scanner) -> "BlockMatrixType":
            shape, element = body.shape_and_type()
            body.expect(","), body.expect("nnz"), body.expect("=")
            return cls(shape, element, body.integer())

    DIALECT = Dialect("bsp", ops=(Conv2dOp,), attributes=(Quant, Activation, BlockMatrixType))

Build, read, write, check:

    module = Module()                                            # module.store: WeightStore, symbol -> array
    func = FuncOp.make("main", [type_of_x], [type_of_y])
    Rewriter.at_end(module.body.block).insert(func)
    rw = Rewriter.at_end(func.body.block)
    x = func.arguments[0].typed(TensorType)
    conv = rw.insert(Conv2dOp(x, ..., loc=NodeLocation("Conv_17", "Conv")))
    rw.insert(ReturnOp((conv.y,)))
    module = parse_module(text, Context([bsp.DIALECT]), "in.mlir");  print_module(module);  verify(module)
    for conv in module.walk(Conv2dOp): ...                       # program order; erasing meanwhile is fine

Rewrite.  Fields are read only; `Rewriter` is the one door: insert, insert_before/after, move_before, replace,
erase, erase_dead, copy(op, field=new), change(op, prop=new), set_operand, replace_all_uses, retype, refresh,
clone.

    @rewrites(ReluOp)
    def relu_of_conv(relu: ReluOp, rw: Rewriter) -> bool:
        """relu(conv(x)) -> conv(x) {act = relu}"""
        conv = relu.x.op
        if not isinstance(conv, Conv2dOp) or not conv.y.used_once:
            return False
        rw.replace(relu, rw.copy(conv, act=Activation.RELU, loc=fuse(conv.loc, relu.loc)))
        return True

    apply_patterns((relu_of_conv,), module)
'''

from compiler.errors import UNKNOWN, FileLocation, FusedLocation, IRError, Location, NodeLocation, fuse
from compiler.ir.attributes import (
    F32,
    I1,
    I8,
    I16,
    I32,
    I64,
    INDEX,
    UI8,
    ArrayAttr,
    Attribute,
    BoolAttr,
    FloatAttr,
    FloatType,
    FunctionType,
    IndexType,
    IntArray,
    IntAttr,
    IntegerType,
    StringArray,
    StringAttr,
    SymbolRef,
    TensorType,
    Type,
    UnitAttr,
)
from compiler.ir.builtin import FuncOp, Module, ReturnOp, module_of
from compiler.ir.context import Context, Dialect
from compiler.ir.custom import DialectAttribute, DialectType, EnumAttr
from compiler.ir.fields import operand, operands, optional_operand, prop, region, result, results
from compiler.ir.op import Op
from compiler.ir.parser import parse_module
from compiler.ir.patterns import Pattern, apply_patterns, rewrites
from compiler.ir.printer import print_module
from compiler.ir.rewriter import Rewriter, clone_module
from compiler.ir.scanner import Scanner
from compiler.ir.store import WeightStore
from compiler.ir.values import Block, BlockArgument, OpResult, Region, Use, Value
from compiler.ir.verifier import verify

__all__ = [
    "F32",
    "I1",
    "I8",
    "I16",
    "I32",
    "I64",
    "INDEX",
    "UI8",
    "UNKNOWN",
    "ArrayAttr",
    "Attribute",
    "Block",
    "BlockArgument",
    "BoolAttr",
    "Context",
    "Dialect",
    "DialectAttribute",
    "DialectType",
    "EnumAttr",
    "FileLocation",
    "FloatAttr",
    "FloatType",
    "FuncOp",
    "FunctionType",
    "FusedLocation",
    "IRError",
    "IndexType",
    "IntArray",
    "IntAttr",
    "IntegerType",
    "Location",
    "Module",
    "NodeLocation",
    "Op",
    "OpResult",
    "Pattern",
    "Region",
    "ReturnOp",
    "Rewriter",
    "Scanner",
    "StringArray",
    "StringAttr",
    "SymbolRef",
    "TensorType",
    "Type",
    "UnitAttr",
    "Use",
    "Value",
    "WeightStore",
    "apply_patterns",
    "clone_module",
    "fuse",
    "module_of",
    "operand",
    "operands",
    "optional_operand",
    "parse_module",
    "print_module",
    "prop",
    "region",
    "result",
    "results",
    "rewrites",
    "verify",
]
