// bscc: 
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<1x8x8x16xi8>) -> tensor<1x8x8x32xi8>, sym_name = "main"}> ({
  ^bb0(%arg0: tensor<1x8x8x16xi8>):
    %0 = "toy.weight"() <{symbol = "w", type = !toy.mut<32x16xi8, kept = 5>}> : () -> !toy.mut<32x16xi8, kept = 5>
    %1 = "toy.conv"(%arg0, %0) <{strides = array<i64: 1, 1>}> : (tensor<1x8x8x16xi8>, !toy.mat<32x16xi8, kept = 5>) -> tensor<1x8x8x32xi8>
    %2 = "toy.relu"(%1) : (tensor<1x8x8x32xi8>) -> tensor<1x8x8x32xi8>
    "func.return"(%2) : (tensor<1x8x8x32xi8>) -> ()
  }) : () -> ()
}) : () -> ()
// -----
unknown_type.mlir:5:48: error[syntax]: unknown type '!toy.mut'
  %0 = "toy.weight"() <{symbol = "w", type = !toy.mut<32x16xi8, kept = 5>}> : () -> !toy.mut<32x16xi8, kept = 5>
                                             ^^^^^^^^
  help: did you mean '!toy.mat'? known: !bsp.mat, !tile.buffer, !toy.mat, !toy.token
