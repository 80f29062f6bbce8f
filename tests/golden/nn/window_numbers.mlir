// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "nn.max_pool"(%0) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x3x3x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    "nn.output"(%1) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 3, 3, 8>}> : (tensor<1x3x3x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
window_numbers.mlir:5:10: error[window]: 'nn.max_pool' expects 2 kernel, 2 stride, 4 pad and 2 dilation numbers
  %1 = "nn.max_pool"(%0) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x3x3x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
       ^^^^^^^^^^^^^
