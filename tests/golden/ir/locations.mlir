// bscc: --pass-pipeline toy-fuse --print-debuginfo
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<1x8x8x16xi8>) -> tensor<1x8x8x32xi8>, sym_name = "main"}> ({
  ^bb0(%arg0: tensor<1x8x8x16xi8>):
    %0 = "toy.weight"() <{symbol = "w", type = !toy.mat<32x16xi8, kept = 5>}> : () -> !toy.mat<32x16xi8, kept = 5>
    %1 = "toy.conv"(%arg0, %0) <{strides = array<i64: 1, 1>}> : (tensor<1x8x8x16xi8>, !toy.mat<32x16xi8, kept = 5>) -> tensor<1x8x8x32xi8> loc("Conv_1 (Conv)"("net.onnx":0:0))
    %2 = "toy.relu"(%1) : (tensor<1x8x8x32xi8>) -> tensor<1x8x8x32xi8> loc("Relu_2 (Relu)"("net.onnx":0:0))
    "func.return"(%2) : (tensor<1x8x8x32xi8>) -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<1x8x8x16xi8>) -> tensor<1x8x8x32xi8>, sym_name = "main"}> ({
  ^bb0(%arg0: tensor<1x8x8x16xi8> loc(unknown)):
    %0 = "toy.weight"() <{symbol = "w", type = !toy.mat<32x16xi8, kept = 5>}> : () -> !toy.mat<32x16xi8, kept = 5> loc("locations.mlir":5:10)
    %1 = "toy.conv"(%arg0, %0) <{act = #toy.act<relu>, strides = array<i64: 1, 1>}> : (tensor<1x8x8x16xi8>, !toy.mat<32x16xi8, kept = 5>) -> tensor<1x8x8x32xi8> loc(fused["Conv_1 (Conv)"("net.onnx":0:0), "Relu_2 (Relu)"("net.onnx":0:0)])
    "func.return"(%1) : (tensor<1x8x8x32xi8>) -> () loc("locations.mlir":8:5)
  }) : () -> () loc("locations.mlir":3:3)
}) : () -> () loc("locations.mlir":2:1)
