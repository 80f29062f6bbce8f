// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 2, 2>, type = tensor<1x2x2x8xf32>}> : () -> tensor<1x2x2x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x2x2x8xf32>) -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %2 = "nn.dequantize"(%1) : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> tensor<1x2x2x8xf32>
    %3 = "nn.quantize"(%2) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x2x2x8xf32>) -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %4 = "nn.dequantize"(%3) : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> tensor<1x2x2x8xf32>
    %5 = "nn.constant"() <{digest = "e92a02bf1f0df846", scales = "weight0.scales", symbol = "weight0", type = tensor<8x2x2x8xi8>}> : () -> tensor<8x2x2x8xi8>
    %6 = "nn.conv2d"(%4, %5) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x2x2x8xf32>, tensor<8x2x2x8xi8>) -> tensor<1x1x1x8xf32>
    %7 = "nn.quantize"(%6) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %8 = "nn.dequantize"(%7) : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>) -> tensor<1x1x1x8xf32>
    %9 = "nn.constant"() <{digest = "1dd4290cb5cb2df4", symbol = "constant1", type = tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>}> : () -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>
    %10 = "nn.dequantize"(%9) : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>) -> tensor<1x1x1x8xf32>
    %11 = "nn.add"(%8, %10) : (tensor<1x1x1x8xf32>, tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xf32>
    %12 = "nn.quantize"(%11) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>
    %13 = "nn.dequantize"(%12) : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>) -> tensor<1x1x1x8xf32>
    "nn.output"(%13) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "dequantizelinear_12_out", onnx_shape = array<i64: 1, 8>}> : (tensor<1x1x1x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 2, 2>, type = tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.constant"() <{digest = "e92a02bf1f0df846", scales = "weight0.scales", symbol = "weight0", type = tensor<8x2x2x8xi8>}> : () -> tensor<8x2x2x8xi8>
    %2 = "nn.qconv2d"(%0, %1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, tensor<8x2x2x8xi8>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %3 = "nn.constant"() <{digest = "1dd4290cb5cb2df4", symbol = "constant1", type = tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>}> : () -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>
    %4 = "nn.qadd"(%2, %3) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>, tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>
    "nn.output"(%4) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "dequantizelinear_12_out", onnx_shape = array<i64: 1, 8>}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
