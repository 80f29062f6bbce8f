// bscc: fold-quantization
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xf32>}> : () -> tensor<1x4x4x8xf32>
    %1 = "nn.quantize"(%0) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.dequantize"(%1) : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xf32>
    %3 = "nn.relu"(%2) : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %4 = "nn.channels"(%3) <{index = array<i64: 0, -1>}> : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x2xf32>
    %5 = "nn.clip"(%4) <{high = #bscc.float<1.0>, low = #bscc.float<0.5>}> : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
    %6 = "nn.quantize"(%5) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>, y_max = 255 : i64, y_min = 0 : i64}> : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>
    %7 = "nn.dequantize"(%6) : (tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>) -> tensor<1x4x4x2xf32>
    %8 = "nn.interleave"(%2, %2) <{steps = array<i64: 2, 1>}> : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x8x4x8xf32>
    "nn.output"(%7) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 2, 4, 4>}> : (tensor<1x4x4x2xf32>) -> ()
    "nn.output"(%8) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 8, 8, 4>}> : (tensor<1x8x4x8xf32>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 4, 4>, type = tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.requantize"(%0) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>, y_max = 255 : i64, y_min = 3 : i64}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.channels"(%1) <{index = array<i64: 0, -1>}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.requantize"(%2) <{quant = #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>, y_max = 23 : i64, y_min = 15 : i64}> : (tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>
    %4 = "nn.interleave"(%0, %0) <{steps = array<i64: 2, 1>}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x8x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%3) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 2, 4, 4>}> : (tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -4, zero = 7>>) -> ()
    "nn.output"(%4) <{host_type = "float32", layout = #nn.layout<nchw>, onnx_name = "y1", onnx_shape = array<i64: 1, 8, 8, 4>}> : (tensor<1x8x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
