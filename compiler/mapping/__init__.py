"""How a layer is cut over columns, core rows and time; pure geometry, apart from ops and passes.

`shapes` says what a layer and a stored activation are, `lanes` how pixels lie in a core, `program` what each core of
a mapped layer receives and sends, `sizes` how much that is, `search` chooses a mapping, `patterns` turns transfers
into descriptors.
"""
