"""The bit fields of descriptors, registers, packets and the control stream, written once as declarations.

The emitter encodes with them, the simulator decodes with them, the disassembler prints with them.
Read in this order: `fields`, `tiles`, `switch`, `descriptors`, `registers`, `register_map`, `packets`,
`transaction`, `disassembly`.
"""
