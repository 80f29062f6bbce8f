// bscc:
"builtin.module"() ({
}) : () -> ()
// -----
no_block.mlir:2:1: error[no-block]: 'builtin.module' needs a block, if only '^bb0:'
  "builtin.module"() ({
  ^^^^^^^^^^^^^^^^
