// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.lookup"(%0) <{digest = "037e973db17b3bf8", quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>, table = "table0"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>
    %2 = "nn.requantize"(%1) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 3>, y_max = 90 : i64, y_min = -100 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 3>>
    %3 = "nn.lookup"(%2) <{digest = "bc3d40030924d886", quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>, table = "table1"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = 3>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>
    %4 = "nn.requantize"(%3) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -20>, y_max = 127 : i64, y_min = -20 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -20>>
    "nn.output"(%4) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -20>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.lookup"(%0) <{digest = "5445369682b1cb7f", quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -20>, table = "joined_2"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -20>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -20>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
