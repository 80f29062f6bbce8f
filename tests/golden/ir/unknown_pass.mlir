// bscc: toy-fused
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<1x8x8x16xi8>) -> tensor<1x8x8x32xi8>, sym_name = "main"}> ({
  ^bb0(%arg0: tensor<1x8x8x16xi8>):
    %0 = "toy.weight"() <{symbol = "w", type = !toy.mat<32x16xi8, kept = 5>}> : () -> !toy.mat<32x16xi8, kept = 5>
    %1 = "toy.conv"(%arg0, %0) <{strides = array<i64: 1, 1>}> : (tensor<1x8x8x16xi8>, !toy.mat<32x16xi8, kept = 5>) -> tensor<1x8x8x32xi8>
    %2 = "toy.relu"(%1) : (tensor<1x8x8x32xi8>) -> tensor<1x8x8x32xi8>
    "func.return"(%2) : (tensor<1x8x8x32xi8>) -> ()
  }) : () -> ()
}) : () -> ()
// -----
error[unknown-pass]: there is no pass 'toy-fused'
  help: did you mean 'toy-fuse'? known: fold-quantization, canonicalize, block-compaction, fuse-epilogue, wrap-rows, assign-layout, balance-channels, depthwise-tiling, choose-tiles, memory-planning, lower-to-aie2, route-streams, toy-fuse, toy-limit, toy-lower, toy-break, toy-after
