// bscc: fuse-epilogue
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "bsp.weight"() <{dense = true, digest = "0", kernel = array<i64: 1, 1>, reason = "", symbol = "w", type = !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 2, total = 2>}> : () -> !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 2, total = 2>
    "nn.output"(%0) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
weight_total.mlir:5:10: error[weight]: 'bsp.weight' has 1 blocks, its type says 2 of 2
  %1 = "bsp.weight"() <{dense = true, digest = "0", kernel = array<i64: 1, 1>, reason = "", symbol = "w", type = !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 2, total = 2>}> : () -> !bsp.mat<8x8x1x1xi8, block = 8x8, kept = 2, total = 2>
       ^^^^^^^^^^^^
