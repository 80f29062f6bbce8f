// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 3, 4, 4>, type = tensor<1x4x4x3xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -27>>}> : () -> tensor<1x4x4x3xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -27>>
    %1 = "nn.constant"() <{digest = "ab9853b7dfd8c3a8", scales = "weight0.scales", symbol = "weight0", type = tensor<5x1x1x3xi8>}> : () -> tensor<5x1x1x3xi8>
    %2 = "nn.constant"() <{digest = "e8956f905031f91d", scales = "bias1.scales", symbol = "bias1", type = tensor<5xi32>}> : () -> tensor<5xi32>
    %3 = "nn.qconv2d"(%0, %1, %2) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>, strides = array<i64: 1, 1>, y_max = 127 : i64, y_min = -128 : i64}> : (tensor<1x4x4x3xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -27>>, tensor<5x1x1x3xi8>, tensor<5xi32>) -> tensor<1x4x4x5xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 5, 4, 4>}> : (tensor<1x4x4x5xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 3, 4, 4>, type = tensor<1x4x4x3xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -27>>}> : () -> tensor<1x4x4x3xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -27>>
    %1 = "bsp.weight"() <{dense = true, digest = "906b036624e410b4", kernel = array<i64: 1, 1>, reason = "no block is zero", symbol = "layer0", type = !bsp.mat<5x3x1x1xi8, block = 8x8, kept = 1, total = 1>}> : () -> !bsp.mat<5x3x1x1xi8, block = 8x8, kept = 1, total = 1>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "1d1ff091aa9ba0c0", dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -27 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -10 : i64}> : (tensor<1x4x4x3xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -27>>, !bsp.mat<5x3x1x1xi8, block = 8x8, kept = 1, total = 1>) -> tensor<1x4x4x5xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>
    "nn.output"(%2) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_6_out", onnx_shape = array<i64: 1, 5, 4, 4>}> : (tensor<1x4x4x5xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
