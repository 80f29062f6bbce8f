// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    %1 = "nn.concat"(%0) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    "nn.output"(%1) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "x", onnx_shape = array<i64: 1, 4, 4, 8>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>
    "nn.output"(%0) <{host_type = "int8", layout = #nn.layout<nhwc>, onnx_name = "y", onnx_shape = array<i64: 1, 4, 4, 8>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
