// bscc: --target aie2-2x2 --pass-pipeline 'assign-layout'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "bsp.blocks"(%0) <{channels = 8 : i64, first = 2 : i64}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%1) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 8, 4, 4>}> : (tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
blocks_beyond_the_end.mlir:5:10: error[blocks]: 'bsp.blocks' takes 8 channels from channel 16 on, of 16
  %1 = "bsp.blocks"(%0) <{channels = 8 : i64, first = 2 : i64}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x4x8xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
       ^^^^^^^^^^^^
