// bscc: 
"builtin.module"() ({
  "func.func"() <{sym_visibility = "private", function_type = (tensor<4xui8>, index, f32, (i8) -> ((i16) -> i1)) -> (), sym_name = "callee"}> ({
  }) : () -> ()
  "func.func"() <{function_type = (tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>) -> (), sym_name = "main"}> ({
  ^bb0(%x: tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>> loc("here")):
    %a, %b:2 = "toy.mix"(%x, %x) <{scale = #bscc.float<-2.5e-300>, count = -7 : i64, names = [], name_ = "caf\C3\A9 \22\\\n", flag = false, target = @callee, small = -1 : i3, operandSegmentSizes = array<i32: 1, 0, 1>, quants = [#toy.quant<scale = inf>, #toy.quant<scale = 2.0, zero = -4, element = !toy.mat<2xi8, kept = 1>>]}> {bscc.note = ["x", "y"], bscc.unit, bscc.array = array<i8>, bscc.type = tensor<1xf32>} : (tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>, tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>) -> (tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>, tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>, !toy.token)
    "toy.loop"(%b#1) ({
    ^bb0(%i: index):
      "toy.loop"() ({
      ^bb0(%i2: !toy.token):
        %t:2 = "toy.mix"(%i) <{operandSegmentSizes = array<i32: 1, 0, 0>}> : (index) -> (index, !toy.token)
        "toy.yield"(%i2, %t#1, %b#1) : (!toy.token, !toy.token, !toy.token) -> ()
      }, {
      ^bb0:
      }) : () -> ()
    }, {
      %c:2 = "toy.mix"(%x) <{operandSegmentSizes = array<i32: 1, 0, 0>}> : (tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>) -> (tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>, !toy.token)
      "toy.yield"(%c#0) : (tensor<i32, #toy.quant<scale = 1e-07, axis = 2, names = ["a<", "b\22"]>>) -> ()
    }) : (!toy.token) -> ()
    "func.return"() : () -> () loc(fused["a", unknown, "b.mlir":1:2])
  }) : () -> ()
}) : () -> ()
// -----
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<4xui8>, index, f32, (i8) -> ((i16) -> i1)) -> (), sym_name = "callee", sym_visibility = "private"}> ({
  }) : () -> ()
  "func.func"() <{function_type = (tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>) -> (), sym_name = "main"}> ({
  ^bb0(%arg0: tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>):
    %0:3 = "toy.mix"(%arg0, %arg0) <{count = -7 : i64, flag = false, name_ = "caf\C3\A9 \22\\\0A", names = [], operandSegmentSizes = array<i32: 1, 0, 1>, quants = [#toy.quant<scale = inf, zero = 0, names = [], element = i8>, #toy.quant<scale = 2.0, zero = -4, names = [], element = !toy.mat<2xi8, kept = 1>>], scale = #bscc.float<-2.5e-300>, small = -1 : i3, target = @callee}> {bscc.array = array<i8>, bscc.note = ["x", "y"], bscc.type = tensor<1xf32>, bscc.unit} : (tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>, tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>) -> (tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>, tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>, !toy.token)
    "toy.loop"(%0#2) ({
    ^bb0(%arg1: index):
      "toy.loop"() ({
      ^bb0(%arg2: !toy.token):
        %2:2 = "toy.mix"(%arg1) <{count = 1 : i64, operandSegmentSizes = array<i32: 1, 0, 0>}> : (index) -> (index, !toy.token)
        "toy.yield"(%arg2, %2#1, %0#2) : (!toy.token, !toy.token, !toy.token) -> ()
      }, {
      ^bb0:
      }) : () -> ()
    }, {
      %1:2 = "toy.mix"(%arg0) <{count = 1 : i64, operandSegmentSizes = array<i32: 1, 0, 0>}> : (tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>) -> (tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>, !toy.token)
      "toy.yield"(%1#0) : (tensor<i32, #toy.quant<scale = 1e-07, zero = 0, axis = 2, names = ["a<", "b\22"], element = i8>>) -> ()
    }) : (!toy.token) -> ()
    "func.return"() : () -> ()
  }) : () -> ()
}) : () -> ()
