// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.interleave"(%2, %2) <{steps = array<i64: 1, 2>}> : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x8x8xf32>
    %4 = "nn.pad"(%3) <{pads = array<i64: 1, 0, 0, 1>}> : (tensor<1x4x8x8xf32>) -> tensor<1x5x9x8xf32>
    %5 = "nn.relu"(%4) : (tensor<1x5x9x8xf32>) -> tensor<1x5x9x8xf32>
    %6 = "nn.channels"(%5) <{index = array<i64: 0, -1, 2>}> : (tensor<1x5x9x8xf32>) -> tensor<1x5x9x3xf32>
    %7 = "nn.quantize"(%6) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x5x9x3xf32>) -> tensor<1x5x9x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>
    %8 = "nn.dequantize"(%7) : (tensor<1x5x9x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>) -> tensor<1x5x9x3xf32>
    "nn.output"(%8) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 3, 5, 9>}> : (tensor<1x5x9x3xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.interleave"(%0, %0) <{steps = array<i64: 1, 2>}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.pad"(%1) <{pads = array<i64: 1, 0, 0, 1>}> : (tensor<1x4x8x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.requantize"(%2) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, y_max = 255 : i64, y_min = 3 : i64}> : (tensor<1x5x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %4 = "nn.channels"(%3) <{index = array<i64: 0, -1, 2>}> : (tensor<1x5x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x9x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %5 = "nn.requantize"(%4) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x5x9x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x5x9x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>
    "nn.output"(%5) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 3, 5, 9>}> : (tensor<1x5x9x3xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
