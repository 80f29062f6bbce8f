// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.pad"(%0) <{pads = array<i64: 0, -1, 0, 0>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%1) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 16, 4, 5>}> : (tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
pad_negative.mlir:5:10: error[pads]: 'nn.pad' expects 4 pads and none negative, got (0, -1, 0, 0)
  %1 = "nn.pad"(%0) <{pads = array<i64: 0, -1, 0, 0>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
       ^^^^^^^^
