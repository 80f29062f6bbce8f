// bscc: block-compaction
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
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "input", onnx_shape = array<i64: 1, 8, 2, 2>, type = tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>}> : () -> tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>
    %1 = "bsp.weight"() <{dense = true, digest = "164daa3ae5952ff5", kernel = array<i64: 2, 2>, reason = "no block is zero", symbol = "layer0", type = !bsp.mat<8x8x2x2xi8, block = 8x8, kept = 4, total = 4>}> : () -> !bsp.mat<8x8x2x2xi8, block = 8x8, kept = 4, total = 4>
    %2 = "bsp.conv2d"(%0, %1) <{digest = "aa9b6612aa9bd49e", dilations = array<i64: 1, 1>, kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>, requant = "layer0", strides = array<i64: 1, 1>, x_zero = -15 : i64, y_max = 127 : i64, y_min = -128 : i64, y_zero = -31 : i64}> : (tensor<1x2x2x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -15>>, !bsp.mat<8x8x2x2xi8, block = 8x8, kept = 4, total = 4>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>
    %3 = "bsp.constant"() <{digest = "1dd4290cb5cb2df4", symbol = "constant1", type = tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>}> : () -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>
    %4 = "bsp.add"(%2, %3) <{a_zero = -31 : i64, add = array<i64: 4, 1, 2>, b_zero = 0 : i64, quant = #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>, y_max = 127 : i64, y_min = -128 : i64, y_zero = -30 : i64}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -31>>, tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -7, zero = 0>>) -> tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>
    "nn.output"(%4) <{host_type = "float32", layout = #nn.layout<nhwc>, onnx_name = "dequantizelinear_12_out", onnx_shape = array<i64: 1, 8>}> : (tensor<1x1x1x8xi8, #nn.quant<element = i8, mantissa = 1, exponent = -5, zero = -30>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
