// bscc: --pass-pipeline 'fold-quantization{requantize=exact}'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.constant"() <{digest = "a1f3d1bfdfc04abb", scales = "weight0.scales", symbol = "weight0", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %4 = "nn.constant"() <{digest = "821b9d7bff4dce97", scales = "bias1.scales", symbol = "bias1", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %5 = "nn.conv2d"(%2, %3, %4) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xf32>
    %6 = "nn.relu"(%5) : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %7 = "nn.quantize"(%6) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -128>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -128>>
    %8 = "nn.dequantize"(%7) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -128>>) -> tensor<1x4x4x8xf32>
    "nn.output"(%8) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_7_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.constant"() <{digest = "a1f3d1bfdfc04abb", scales = "weight0.scales", symbol = "weight0", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %2 = "nn.constant"() <{digest = "821b9d7bff4dce97", scales = "bias1.scales", symbol = "bias1", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, exact = true, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -128>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -128>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_7_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -128>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
