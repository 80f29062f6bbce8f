// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.mul"(%2, %2) : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %4 = "nn.relu"(%3) : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %5 = "nn.quantize"(%4) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -128>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -128>>
    %6 = "nn.dequantize"(%5) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -128>>) -> tensor<1x4x4x8xf32>
    "nn.output"(%6) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_5_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %1 = "nn.qmul"(%0, %0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -128>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>, tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -128>>
    "nn.output"(%1) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_5_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -3, zero = -128>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
