// bscc: fuse-epilogue
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>
    %1 = "bsp.weight"() <{dense = true, digest = "983e524aced501f0", kernel = array<i64: 3, 3>, reason = "depthwise: no 8x8 block has more than 8 weights", symbol = "layer0", type = !bsp.mat<8x1x3x3xi8, block = 8x1, kept = 9, total = 9>}> : () -> !bsp.mat<8x1x3x3xi8, block = 8x1, kept = 9, total = 9>
    %2 = "bsp.depthwise"(%0, %1) <{digest = "a3346612aa9bd49e", dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -3>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -10 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -3 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>, !bsp.mat<8x1x3x3xi8, block = 8x1, kept = 9, total = 9>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -3>>
    %3 = "bsp.add"(%2, %0) <{a_zero = -3 : i64, add = array<i64: 1, 1, 1>, b_zero = -10 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -30>, y_max = 127 : i64, y_min = -128 : i64, y_zero = -30 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -3>>, tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -30>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_9_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -30>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>}> : () -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>
    %1 = "bsp.weight"() <{dense = true, digest = "983e524aced501f0", kernel = array<i64: 3, 3>, reason = "depthwise: no 8x8 block has more than 8 weights", symbol = "layer0", type = !bsp.mat<8x1x3x3xi8, block = 8x1, kept = 9, total = 9>}> : () -> !bsp.mat<8x1x3x3xi8, block = 8x1, kept = 9, total = 9>
    %2 = "bsp.depthwise"(%0, %1) <{digest = "a3346612aa9bd49e", dilations = array<i64: 1, 1>, kernel = array<i64: 3, 3>, pads = array<i64: 1, 1, 1, 1>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -3>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -10 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -3 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>, !bsp.mat<8x1x3x3xi8, block = 8x1, kept = 9, total = 9>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -3>>
    %3 = "bsp.add"(%2, %0) <{a_zero = -3 : i64, add = array<i64: 1, 1, 1>, b_zero = -10 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -30>, y_max = 127 : i64, y_min = -128 : i64, y_zero = -30 : i64}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -3>>, tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -10>>) -> tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -30>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "dequantizelinear_9_out", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -4, zero = -30>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
