// bscc:
"builtin.module"() ({
  %0 = "toy.weight"() <{symbol = "w", type = !toy.mat<2xi8, kept = 1>}> : () -> ()
}) : () -> ()
// -----
wrong_result_count.mlir:3:8: error[result-count]: 'toy.weight' says 0 result types, infers 1 results
  %0 = "toy.weight"() <{symbol = "w", type = !toy.mat<2xi8, kept = 1>}> : () -> ()
       ^^^^^^^^^^^^
