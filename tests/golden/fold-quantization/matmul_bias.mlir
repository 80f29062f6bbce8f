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
    %7 = "nn.constant"() <{digest = "09962c9c61c0115a", scales = "bias1.scales", symbol = "bias1", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %8 = "nn.conv2d"(%4, %5, %7) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x2x2x8xf32>, tensor<8x2x2x8xi8>, tensor<8xi32>) -> tensor<1x1x1x8xf32>
    %9 = "nn.quantize"(%8) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x1x1x8xf32>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>
    %10 = "nn.dequantize"(%9) : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>) -> tensor<1x1x1x8xf32>
    "nn.output"(%10) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "dequantizelinear_10_out", onnx_shape = array<i64: 1, 8>}> : (tensor<1x1x1x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 2, 2>, type = tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.constant"() <{digest = "e92a02bf1f0df846", scales = "weight0.scales", symbol = "weight0", type = tensor<8x2x2x8xi8>}> : () -> tensor<8x2x2x8xi8>
    %2 = "nn.constant"() <{digest = "09962c9c61c0115a", scales = "bias1.scales", symbol = "bias1", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, tensor<8x2x2x8xi8>, tensor<8xi32>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "dequantizelinear_10_out", onnx_shape = array<i64: 1, 8>}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
