// bscc:
"builtin.module"() ({
  "toy.loop"() ({
  }) : () -> ()
}) : () -> ()
// -----
wrong_region_count.mlir:3:3: error[region-count]: 'toy.loop' expects 2 regions, got 1
  "toy.loop"() ({
  ^^^^^^^^^^
