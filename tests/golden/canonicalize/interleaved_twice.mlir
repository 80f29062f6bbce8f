// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 2, 3>, type = tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "z", onnx_shape = array<i64: 1, 8, 2, 3>, type = tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.interleave"(%0, %1) <{steps = array<i64: 2, 1>}> : (tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %3 = "nn.interleave"(%1, %0) <{steps = array<i64: 2, 1>}> : (tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %4 = "nn.interleave"(%2, %3, %2) <{steps = array<i64: 1, 3>}> : (tensor<1x4x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%4) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 8, 4, 9>}> : (tensor<1x4x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 8, 2, 3>, type = tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "z", onnx_shape = array<i64: 1, 8, 2, 3>, type = tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "nn.interleave"(%0, %1, %0, %1, %0, %1) <{steps = array<i64: 2, 3>}> : (tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x2x3x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%2) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 8, 4, 9>}> : (tensor<1x4x9x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
