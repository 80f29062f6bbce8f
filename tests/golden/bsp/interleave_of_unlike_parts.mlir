// bscc: --target aie2-2x2 --pass-pipeline 'assign-layout'
"builtin.module"() ({
  "func.func"() <{function_type = () -> (), sym_name = "main"}> ({
    %0 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "x", onnx_shape = array<i64: 1, 16, 4, 4>, type = tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %1 = "nn.input"() <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "z", onnx_shape = array<i64: 1, 16, 4, 5>, type = tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>}> : () -> tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    %2 = "bsp.interleave"(%0, %1) <{steps = array<i64: 1, 2>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x8x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
    "nn.output"(%2) <{host_type = "uint8", layout = #nn.layout<nchw>, onnx_name = "y0", onnx_shape = array<i64: 1, 16, 4, 8>}> : (tensor<1x4x8x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
// -----
interleave_of_unlike_parts.mlir:6:10: error[interleave]: 'bsp.interleave' joins tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>> and tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, which differ
  %2 = "bsp.interleave"(%0, %1) <{steps = array<i64: 1, 2>}> : (tensor<1x4x4x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>, tensor<1x4x5x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>) -> tensor<1x4x8x16xui8, #nn.quant<element = ui8, mantissa = 1, exponent = -5, zero = 3>>
       ^^^^^^^^^^^^^^^^
