// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.constant"() <{digest = "a05e9605d7fb7b4a", scales = "c0.scales", symbol = "c0", type = tensor<16x1x1x8xi8>}> : () -> tensor<16x1x1x8xi8>
    %2 = "nn.qconv2d"(%0, %1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<16x1x1x8xi8>) -> tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.channels"(%2) <{index = array<i64: 0, 1, 2, 3>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %4 = "nn.channels"(%2) <{index = array<i64: 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%3) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 4, 4, 4>}> : (tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%4) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 12, 4, 4>}> : (tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.constant"() <{digest = "c2b1e20c4bbf2441", scales = "c0.rows.scales", symbol = "c0.rows", type = tensor<4x1x1x8xi8>}> : () -> tensor<4x1x1x8xi8>
    %2 = "nn.qconv2d"(%0, %1) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<4x1x1x8xi8>) -> tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.constant"() <{digest = "fcd81493a8f6279f", scales = "c0.rows_1.scales", symbol = "c0.rows_1", type = tensor<12x1x1x8xi8>}> : () -> tensor<12x1x1x8xi8>
    %4 = "nn.qconv2d"(%0, %3) <{dilations = array<i64: 1, 1>, kernel = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, strides = array<i64: 1, 1>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<12x1x1x8xi8>) -> tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%2) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 4, 4, 4>}> : (tensor<1x4x4x4xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "nn.output"(%4) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 12, 4, 4>}> : (tensor<1x4x4x12xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
