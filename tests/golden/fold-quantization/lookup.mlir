// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %2 = "nn.lookup"(%1) <{digest = "037e973db17b3bf8", quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>, table = "table0"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>
    %3 = "nn.dequantize"(%2) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> tensor<1x4x4x8xf32>
    %4 = "nn.max_pool"(%3) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 2, 2>}> : (tensor<1x4x4x8xf32>) -> tensor<1x2x2x8xf32>
    %5 = "nn.quantize"(%4) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x2x2x8xf32>) -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>
    %6 = "nn.dequantize"(%5) : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>) -> tensor<1x2x2x8xf32>
    "nn.output"(%6) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 2, 2>}> : (tensor<1x2x2x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>
    %1 = "nn.lookup"(%0) <{digest = "037e973db17b3bf8", quant = #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>, table = "table0"}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = 0>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>
    %2 = "nn.max_pool"(%1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 2, 2>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>
    %3 = "nn.requantize"(%2) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -6, zero = -128>>) -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "t", onnx_shape = array<i64: 1, 8, 2, 2>}> : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = -20>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
