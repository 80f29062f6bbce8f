// bscc: canonicalize
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.channels"(%0) <{index = array<i64: 0, 16>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%1) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 2, 4, 4>}> : (tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
channels_beyond_the_end.mlir:5:10: error[channels]: 'nn.channels' takes channels (0, 16) of 16
  %1 = "nn.channels"(%0) <{index = array<i64: 0, 16>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
       ^^^^^^^^^^^^^
  help: -1 stands for zeros
