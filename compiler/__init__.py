"""The compiler of bscc.  One word means one thing, in text, code, errors and docs:

block        8 output channels x 8 input channels of one kernel tap of a weight matrix
group        4 pixels x 8 channels in a core, 32 bytes; the pixels are its lanes; 4 groups are a set
kept block   a block that is stored and multiplied because it is not all zero
imbalance    kept multiplications of a layer's busiest core over the mean of all cores
dialect      a set of operations and attributes with one prefix (`nn`, `bsp`, `tile`, `aie2`)
property     a named part of an operation that carries meaning; a *note* (`bscc.xxx`) may be dropped
stage        a named set of operations that a module may hold between two passes
pass         one step from module to module, named by a verb as on the command line
pipeline     passes with their options, in order; it has a text form
store        the weights of a module, by symbol; text holds only symbol and digest
target       the description of a machine, as data
core         one compute tile of the array: 64 KB data memory, 16 KB program memory
program      the machine code that a plan puts into the program memory of all its cores
level        how the simulator runs a core: transactions (a kernel call is one step) or instructions (bundle by bundle)
memory tile  the 512 KB memory of a column
shim         the tile of a column that reaches DDR
descriptor   a buffer descriptor: what a DMA moves
plan         the compiled model: bytes, tables and reports that stand alone
place        where a message points: a file position or an ONNX node
"""

VERSION = "0.1.0"
