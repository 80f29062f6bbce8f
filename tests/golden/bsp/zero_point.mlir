// bscc: fuse-epilogue
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "bsp.requantize"(%0) <{multiplier = 1 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>, shift = 0 : i64, x_zero = 3 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = 0 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    "nn.output"(%1) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
zero_point.mlir:5:10: error[zero-point]: 'bsp.requantize' has the zero points (3, 0), its types say (0, 0)
  %1 = "bsp.requantize"(%0) <{multiplier = 1 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>, shift = 0 : i64, x_zero = 3 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = 0 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
       ^^^^^^^^^^^^^^^^
