//! `Upsample`: <https://onnx.ai/onnx/operators/onnx__Upsample.html>
//!
//! Deprecated since opset 10 and read as `Resize`.

use lehr_graph::{EvalCx, InferCx, Op, OpError, ReadCx, ReadValues, declare_op};
use lehr_tensor::Tensor;

use crate::resize::Resize;

declare_op! {
    /// The old name of `Resize` with scales alone. Exists while reading only.
    pub struct Upsample("", "Upsample", 10) inputs(1, 2) outputs(1, 1) flags()
    read(Self::read) {}
}

impl Upsample {
    fn read(cx: &mut ReadCx<'_>) -> Result<ReadValues, OpError> {
        let data = cx.require(0)?;
        let scales = if cx.opset() >= 9 {
            cx.require(1)?
        } else if cx.opset() >= 7 {
            let scales: Vec<f32> = cx.attributes().require("scales")?;
            cx.constant(Tensor::vector(scales))
        } else {
            let (h, w) = (cx.attributes().require("height_scale")?, cx.attributes().require("width_scale")?);
            cx.constant(Tensor::vector(vec![1.0, 1.0, h, w]))
        };
        Resize::read_scaled(cx, data, scales)
    }
}

impl Op for Upsample {
    fn infer(&self, _cx: &mut InferCx<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(&self, _cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        Err(OpError::Unsupported("Upsample exists in files only and is read as Resize".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Reference;
    use crate::testing::f32s;
    use lehr_graph::{Attribute, Graph, Origin, SourceNode, ValueType};

    #[test]
    fn reads_as_resize() {
        let mut node =
            SourceNode { op_type: "Upsample".into(), opset: 7, n_outputs: 1, ..SourceNode::default() };
        node.attributes.set("scales", Attribute::Floats(vec![2.0, 0.6]));
        let mut g = Graph::new("test");
        let x = g.add_input("x", ValueType::Unknown);
        let mut cx = ReadCx::new(&mut g, &node, vec![Some(x)], Origin::default());
        let outputs = Upsample::read(&mut cx).unwrap();
        g.set_outputs(outputs);
        let x = f32s(&[1, 4], &[1.0, 2.0, 3.0, 4.0]);
        let y = Reference::default().run(&g, vec![Some(x.into())]).unwrap();
        assert_eq!(y, vec![f32s(&[2, 2], &[1.0, 3.0, 1.0, 3.0]).into()]);
    }
}
