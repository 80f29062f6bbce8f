// bscc: block-compaction{mode=require}
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "nn.constant"() <{digest = "ef5cd943e169afb2", scales = "weight0.scales", symbol = "weight0", type = tensor<16x3x3x16xi8>}> : () -> tensor<16x3x3x16xi8>
    %2 = "nn.constant"() <{digest = "9e94da2d12a3e799", scales = "bias1.scales", symbol = "bias1", type = tensor<16xi32>}> : () -> tensor<16xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -8>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, tensor<16x3x3x16xi8>, tensor<16xi32>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -8>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -8>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.weight"() <{dense = false, digest = "9b4da5e5c6f65939", kernel = array<i64: 3, 3>, reason = "1 of 36 blocks are zero", symbol = "layer0", type = !bsp.mat<16x16x3x3xi8, block = 8x8, kept = 35, total = 36>}> : () -> !bsp.mat<16x16x3x3xi8, block = 8x8, kept = 35, total = 36>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "9e9413a8ae6c527d", dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -8>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -8 : i64}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, !bsp.mat<16x16x3x3xi8, block = 8x8, kept = 35, total = 36>) -> tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -8>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 16, 4, 4>}> : (tensor<1x4x4x16xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -8>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
