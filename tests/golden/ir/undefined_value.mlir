// bscc: 
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<1x8x8x16xi8>) -> tensor<1x8x8x32xi8>, sym_name = "main"}> ({
  ^bb0(%arg0: tensor<1x8x8x16xi8>):
    %0 = "toy.weight"() <{symbol = "w", type = !toy.mat<32x16xi8, kept = 5>}> : () -> !toy.mat<32x16xi8, kept = 5>
    %1 = "toy.conv"(%arg0, %7) <{strides = array<i64: 1, 1>}> : (tensor<1x8x8x16xi8>, !toy.mat<32x16xi8, kept = 5>) -> tensor<1x8x8x32xi8>
    %2 = "toy.relu"(%1) : (tensor<1x8x8x32xi8>) -> tensor<1x8x8x32xi8>
    "func.return"(%2) : (tensor<1x8x8x32xi8>) -> ()
  }) : () -> ()
}) : () -> ()
// -----
undefined_value.mlir:6:28: error[value-undefined]: '%7' is not defined before this
  %1 = "toy.conv"(%arg0, %7) <{strides = array<i64: 1, 1>}> : (tensor<1x8x8x16xi8>, !toy.mat<32x16xi8, kept = 5>) -> tensor<1x8x8x32xi8>
                         ^^
