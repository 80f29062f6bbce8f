// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.constant"() <{digest = "a1f3d1bfdfc04abb", scales = "weight0.scales", symbol = "weight0", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %4 = "nn.constant"() <{digest = "821b9d7bff4dce97", scales = "bias1.scales", symbol = "bias1", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %5 = "nn.conv2d"(%2, %3, %4) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xf32>
    %6 = "nn.quantize"(%5) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>
    %7 = "nn.dequantize"(%6) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>) -> tensor<1x4x4x8xf32>
    %8 = "nn.relu"(%7) : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %9 = "nn.constant"() <{digest = "5a6bb02da9fbdda2", scales = "weight2.scales", symbol = "weight2", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %10 = "nn.constant"() <{digest = "2d222cb753580197", scales = "bias3.scales", symbol = "bias3", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %11 = "nn.conv2d"(%8, %9, %10) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, strides = array<i64: 1, 1>}> : (tensor<1x4x4x8xf32>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xf32>
    %12 = "nn.quantize"(%11) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -23>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -23>>
    %13 = "nn.dequantize"(%12) : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -23>>) -> tensor<1x4x4x8xf32>
    "nn.output"(%13) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_12_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.constant"() <{digest = "a1f3d1bfdfc04abb", scales = "weight0.scales", symbol = "weight0", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %2 = "nn.constant"() <{digest = "821b9d7bff4dce97", scales = "bias1.scales", symbol = "bias1", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>
    %4 = "nn.requantize"(%3) <{quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>, y_max = 127 : i64, y_min = -37 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>
    %5 = "nn.constant"() <{digest = "5a6bb02da9fbdda2", scales = "weight2.scales", symbol = "weight2", type = tensor<8x1x1x8xi8>}> : () -> tensor<8x1x1x8xi8>
    %6 = "nn.constant"() <{digest = "2d222cb753580197", scales = "bias3.scales", symbol = "bias3", type = tensor<8xi32>}> : () -> tensor<8xi32>
    %7 = "nn.qconv2d"(%4, %5, %6) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -23>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -37>>, tensor<8x1x1x8xi8>, tensor<8xi32>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -23>>
    "nn.output"(%7) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_12_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -23>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
