// bscc: fuse-epilogue
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "bsp.weight"() <{dense = true, digest = "0", group = 3 : i64, kernel = array<i64: 1, 1>, reason = "", symbol = "w", type = !bsp.mat<8x16x1x1xi8, block = 8x8, kept = 2, total = 2>}> : () -> !bsp.mat<8x16x1x1xi8, block = 8x8, kept = 2, total = 2>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "0", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>, requant = "w", strides = array<i64: 1, 1>, x_zero = 0 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = 0 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>, !bsp.mat<8x16x1x1xi8, block = 8x8, kept = 2, total = 2>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    "nn.output"(%2) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
weight_groups.mlir:5:10: error[group]: 'bsp.weight' divides 8 x 16 channels into 3 groups
  %1 = "bsp.weight"() <{dense = true, digest = "0", group = 3 : i64, kernel = array<i64: 1, 1>, reason = "", symbol = "w", type = !bsp.mat<8x16x1x1xi8, block = 8x8, kept = 2, total = 2>}> : () -> !bsp.mat<8x16x1x1xi8, block = 8x8, kept = 2, total = 2>
       ^^^^^^^^^^^^
