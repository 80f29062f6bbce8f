// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "nn.max_pool"(%0) <{dilations = array<i64: 1, 1>, kernel = array<i64: 5, 5>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    "nn.output"(%1) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 1, 1, 8>}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
window_too_large.mlir:5:10: error[window]: 'nn.max_pool' has a window of 5 on 4 padded pixels
  %1 = "nn.max_pool"(%0) <{dilations = array<i64: 1, 1>, kernel = array<i64: 5, 5>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
       ^^^^^^^^^^^^^
  help: feed larger images, or pad them
