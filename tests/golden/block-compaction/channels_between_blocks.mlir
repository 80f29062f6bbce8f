// bscc: block-compaction
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 24, 4, 4>, type = tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.channels"(%0) <{index = array<i64: 1, 2>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%1) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 2, 4, 4>}> : (tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
channels_between_blocks.mlir:5:10: error[channels]: takes channels that are no whole blocks as they lie
  %1 = "nn.channels"(%0) <{index = array<i64: 1, 2>}> : (tensor<1x4x4x24xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x2xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
       ^^^^^^^^^^^^^
  help: 'canonicalize' makes convolutions of such
