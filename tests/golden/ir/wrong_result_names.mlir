// bscc:
"builtin.module"() ({
  %0:2 = "toy.weight"() <{symbol = "w", type = !toy.mat<2xi8, kept = 1>}> : () -> (!toy.mat<2xi8, kept = 1>)
}) : () -> ()
// -----
wrong_result_names.mlir:3:10: error[result-count]: 'toy.weight' names 2 results, has 1
  %0:2 = "toy.weight"() <{symbol = "w", type = !toy.mat<2xi8, kept = 1>}> : () -> (!toy.mat<2xi8, kept = 1>)
         ^^^^^^^^^^^^
