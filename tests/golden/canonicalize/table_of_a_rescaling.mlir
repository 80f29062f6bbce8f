// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.lookup"(%0) <{digest = "b931e9204352c19e", quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -7>, table = "table0"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -7>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -7>>) -> ()
    %2 = "nn.lookup"(%0) <{digest = "574182095bc9599a", quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>, table = "table1"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %3 = "nn.max_pool"(%2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 2, 2>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "u", onnx_shape = array<i64: 1, 8, 2, 2>}> : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.requantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -7>, y_max = 17 : i64, y_min = -23 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -7>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -7>>) -> ()
    %2 = "nn.max_pool"(%0) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 2, 2>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "u", onnx_shape = array<i64: 1, 8, 2, 2>}> : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
