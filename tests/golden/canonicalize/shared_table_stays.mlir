// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.lookup"(%0) <{digest = "037e973db17b3bf8", quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>, table = "table0"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>
    %2 = "nn.lookup"(%1) <{digest = "cda626ca3d783591", quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>, table = "table1"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> ()
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "u", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.lookup"(%0) <{digest = "037e973db17b3bf8", quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>, table = "table0"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>
    %2 = "nn.lookup"(%1) <{digest = "cda626ca3d783591", quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>, table = "table1"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> ()
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "u", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
