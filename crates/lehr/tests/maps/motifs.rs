//! What the graphs are put together from.

use lehr_graph::{Attribute, ValueId};
use lehr_tensor::Tensor;

use super::{Made, Net, unsuited};

/// Adds a few nodes behind a value and gives the last one's.
type Motif = fn(&mut Net, ValueId) -> Made;

pub const ALL: &[Motif] = &[
    conv,
    conv,
    conv,
    depthwise,
    depthwise,
    pointwise,
    pointwise,
    pointwise,
    grouped,
    conv_transpose,
    activation,
    activation,
    residual_block,
    operand,
    squeeze_excite,
    pool,
    global,
    join,
    split,
    channels,
    rows,
    shuffle,
    shuffle,
    shuffle_unit,
    shuffle_unit,
    resize,
    pad,
    batch_norm,
    space,
];

fn int(value: usize) -> Attribute {
    Attribute::Int(i64::try_from(value).expect("small"))
}

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&v| i64::try_from(v).expect("small")).collect())
}

fn text(value: &str) -> Attribute {
    Attribute::String(value.into())
}

/// A convolution with weights that keep the size of numbers.
fn conv_of(
    net: &mut Net,
    x: ValueId,
    sizes: [usize; 4],
    mut attributes: Vec<(&str, Attribute)>,
    group: usize,
) -> Made {
    let terms = sizes[1] * sizes[2] * sizes[3];
    let mut inputs = vec![x, net.weight(&sizes, (3.0 / terms as f32).sqrt())];
    if net.random.one_in(2) {
        inputs.push(net.weight(&[sizes[0]], 0.5));
    }
    attributes.push(("group", int(group)));
    net.op("Conv", &inputs, &attributes)
}

fn window(net: &mut Net, kernel: [usize; 2]) -> Vec<(&'static str, Attribute)> {
    let mut attributes = Vec::new();
    match net.random.within(0, 5) {
        0 => attributes.push(("auto_pad", text("SAME_UPPER"))),
        1 => attributes.push(("auto_pad", text("SAME_LOWER"))),
        2 => attributes.push(("auto_pad", text("VALID"))),
        3 => {
            let pads = [0, 1, 0, 1].map(|axis: usize| net.random.within(0, kernel[axis]));
            attributes.push(("pads", ints(&pads)));
        }
        _ => attributes.push(("pads", ints(&[0, 1, 0, 1].map(|axis: usize| kernel[axis] / 2)))),
    }
    if net.random.one_in(4) {
        let strides = [net.random.within(1, 3), net.random.within(1, 3)];
        attributes.push(("strides", ints(&strides)));
    } else if net.random.one_in(5) {
        let dilations = [net.random.within(1, 2), net.random.within(1, 3)];
        attributes.push(("dilations", ints(&dilations)));
    }
    attributes
}

/// Channels, which fill whole blocks as often as not.
fn outs(net: &mut Net) -> usize {
    if net.random.one_in(2) { net.random.pick(&[8, 16, 24, 32]) } else { net.random.within(1, 40) }
}

fn kernel(net: &mut Net) -> [usize; 2] {
    match net.random.within(0, 3) {
        0 => [net.random.within(1, 5), net.random.within(1, 5)],
        _ => [3, 3],
    }
}

fn conv(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let (outs, kernel) = (outs(net), kernel(net));
    let attributes = window(net, kernel);
    conv_of(net, x, [outs, channels, kernel[0], kernel[1]], attributes, 1)
}

fn pointwise(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let outs = outs(net);
    conv_of(net, x, [outs, channels, 1, 1], Vec::new(), 1)
}

fn depthwise(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let kernel = kernel(net);
    let attributes = window(net, kernel);
    let times = if net.random.one_in(8) { 2 } else { 1 };
    conv_of(net, x, [channels * times, 1, kernel[0], kernel[1]], attributes, channels)
}

fn grouped(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let group = net.random.pick(&[2, 3, 4]);
    if !channels.is_multiple_of(group) {
        return unsuited();
    }
    let outs = group * if net.random.one_in(2) { 8 } else { net.random.within(1, 9) };
    let kernel = kernel(net);
    let attributes = window(net, kernel);
    conv_of(net, x, [outs, channels / group, kernel[0], kernel[1]], attributes, group)
}

fn conv_transpose(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let (outs, stride) = (net.random.within(1, 20), net.random.within(1, 3));
    let kernel = if net.random.one_in(2) { stride } else { net.random.within(1, 4) };
    let mut attributes = vec![("strides", ints(&[stride; 2]))];
    match net.random.within(0, 4) {
        0 => attributes.push(("pads", ints(&[kernel / 2; 4]))),
        1 => attributes.push(("output_padding", ints(&[stride - 1, 0]))),
        2 => attributes.push(("auto_pad", text("SAME_UPPER"))),
        _ => {}
    }
    let scale = (3.0 / (channels * kernel) as f32).sqrt();
    let mut inputs = vec![x, net.weight(&[channels, outs, kernel, kernel], scale)];
    if net.random.one_in(2) {
        inputs.push(net.weight(&[outs], 0.5));
    }
    net.op("ConvTranspose", &inputs, &attributes)
}

fn activation(net: &mut Net, x: ValueId) -> Made {
    let names = [
        "Relu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Tanh",
        "Gelu",
        "Elu",
        "Mish",
        "Softplus",
        "Neg",
        "Swish",
        "Clip",
        "PRelu",
        "Abs",
        "Exp",
    ];
    match net.random.pick(&names) {
        "Clip" => {
            let bounds = [-0.5_f32, 0.75].map(|bound| net.constant(Tensor::scalar(bound)));
            net.op("Clip", &[x, bounds[0], bounds[1]], &[])
        }
        "PRelu" => {
            let [channels, ..] = net.sizes(x)?;
            let slopes = net.weight(&[channels, 1, 1], 1.0);
            net.op("PRelu", &[x, slopes], &[])
        }
        "Exp" => {
            let small = net.op("Tanh", &[x], &[])?;
            net.op("Exp", &[small], &[])
        }
        name => net.op(name, &[x], &[]),
    }
}

/// Two convolutions, and what went in added again.
fn residual_block(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let inner = pointwise(net, x)?;
    let inner = activation(net, inner)?;
    let [width, ..] = net.sizes(inner)?;
    let attributes = vec![("pads", ints(&[1; 4]))];
    let outer = conv_of(net, inner, [channels, width, 3, 3], attributes, 1)?;
    let sum = if net.random.one_in(2) { [x, outer] } else { [outer, x] };
    let sum = net.op("Add", &sum, &[])?;
    if net.random.one_in(2) { activation(net, sum) } else { Ok(sum) }
}

/// An operation with another value, a constant of one of several shapes, or itself.
fn operand(net: &mut Net, x: ValueId) -> Made {
    let [channels, height, width] = net.sizes(x)?;
    let other = match net.random.within(0, 5) {
        0 => net.weight(&[], 1.0),
        1 => net.weight(&[channels, 1, 1], 1.0),
        2 => net.weight(&[1, channels, height, width], 1.0),
        3 => net.weight(&[1, 1, height, width], 1.0),
        4 => x,
        _ => net.like(|sizes| sizes == [channels, height, width], x)?,
    };
    let name = net.random.pick(&["Add", "Mul", "Sub", "Max", "Min", "Add"]);
    let operands = if net.random.one_in(2) { [x, other] } else { [other, x] };
    net.op(name, &operands, &[])
}

fn squeeze_excite(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let mean = net.op("GlobalAveragePool", &[x], &[])?;
    let few = net.random.within(1, 12);
    let few = conv_of(net, mean, [few, channels, 1, 1], Vec::new(), 1)?;
    let few = net.op("Relu", &[few], &[])?;
    let [width, ..] = net.sizes(few)?;
    let factors = conv_of(net, few, [channels, width, 1, 1], Vec::new(), 1)?;
    let name = net.random.pick(&["Sigmoid", "HardSigmoid"]);
    let factors = net.op(name, &[factors], &[])?;
    let scaled = net.op("Mul", &[x, factors], &[])?;
    if net.random.one_in(2) { pointwise(net, scaled) } else { Ok(scaled) }
}

fn pool(net: &mut Net, x: ValueId) -> Made {
    let size = net.random.within(1, 3);
    let mut attributes =
        vec![("kernel_shape", ints(&[size; 2])), ("strides", ints(&[net.random.within(1, 2); 2]))];
    if net.random.one_in(2) {
        attributes.push(("pads", ints(&[size / 2; 4])));
    }
    if net.random.one_in(3) {
        attributes.push(("ceil_mode", int(1)));
    }
    if net.random.one_in(2) {
        return net.op("MaxPool", &[x], &attributes);
    }
    attributes.push(("count_include_pad", int(net.random.within(0, 1))));
    net.op("AveragePool", &[x], &attributes)
}

/// A reduction over all pixels that is brought back to them.
fn global(net: &mut Net, x: ValueId) -> Made {
    let pooled = match net.random.within(0, 3) {
        0 => net.op("GlobalAveragePool", &[x], &[])?,
        1 => net.op("GlobalMaxPool", &[x], &[])?,
        which => {
            let axes = net.indices(&[2, 3]);
            let name = if which == 2 { "ReduceMean" } else { "ReduceMax" };
            net.op(name, &[x, axes], &[])?
        }
    };
    if net.random.one_in(3) { Ok(pooled) } else { net.op("Sub", &[x, pooled], &[]) }
}

fn join(net: &mut Net, x: ValueId) -> Made {
    let [_, height, width] = net.sizes(x)?;
    let mut parts = vec![x];
    for _ in 0..net.random.within(1, 2) {
        parts.push(match net.random.one_in(2) {
            true => pointwise(net, x)?,
            false => net.like(|sizes| sizes[1..] == [height, width], x)?,
        });
    }
    if net.random.one_in(2) {
        parts.reverse();
    }
    net.op("Concat", &parts, &[("axis", int(1))])
}

/// Parts of channels, each with something behind it, in another order.
fn split(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    if channels < 2 {
        return unsuited();
    }
    let first = if channels > 8 && net.random.one_in(3) { 8 } else { net.random.within(1, channels - 1) };
    let sizes = net.indices(&[first, channels - first]);
    let parts = net.op_n("Split", &[Some(x), Some(sizes)], &[("axis", int(1))], 2)?;
    let behind = pointwise(net, parts[1])?;
    let [width, ..] = net.sizes(behind)?;
    if width == first && net.random.one_in(2) {
        return net.op("Add", &[behind, parts[0]], &[]);
    }
    net.op("Concat", &[behind, parts[0]], &[("axis", int(1))])
}

/// A range of channels.
fn channels(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let from = net.random.within(0, channels - 1);
    let from = if net.random.one_in(2) { from / 8 * 8 } else { from };
    let to = net.random.within(from + 1, channels);
    let step = if net.random.one_in(8) { 2 } else { 1 };
    let bounds = [[from], [to], [1], [step]].map(|list| net.indices(&list));
    let part = net.op("Slice", &[x, bounds[0], bounds[1], bounds[2], bounds[3]], &[])?;
    if net.random.one_in(2) { pointwise(net, part) } else { conv(net, part) }
}

/// A range of pixels.
fn rows(net: &mut Net, x: ValueId) -> Made {
    let [_, height, width] = net.sizes(x)?;
    let (top, left) = (net.random.within(0, height - 1), net.random.within(0, width - 1));
    let (bottom, right) = (net.random.within(top + 1, height), net.random.within(left + 1, width));
    let step = net.random.within(1, 2);
    let bounds = [[top, left], [bottom, right], [2, 3], [step, step]].map(|list| net.indices(&list));
    net.op("Slice", &[x, bounds[0], bounds[1], bounds[2], bounds[3]], &[])
}

fn shuffle(net: &mut Net, x: ValueId) -> Made {
    let [channels, height, width] = net.sizes(x)?;
    let groups = net.random.pick(&[2, 3, 4]);
    if !channels.is_multiple_of(groups) {
        return unsuited();
    }
    let x =
        if net.random.one_in(2) { conv_of(net, x, [channels, channels, 1, 1], Vec::new(), 1)? } else { x };
    // Zero keeps the size of an axis.
    let apart = net.indices(&[0, groups, channels / groups, height, width]);
    let apart = net.op("Reshape", &[x, apart], &[])?;
    let turned = net.op("Transpose", &[apart], &[("perm", ints(&[0, 2, 1, 3, 4]))])?;
    let together = net.indices(&[0, channels, height, width]);
    net.op("Reshape", &[turned, together], &[])
}

/// A unit of a ShuffleNet.
fn shuffle_unit(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    if !channels.is_multiple_of(2) {
        return unsuited();
    }
    let parts = net.op_n("Split", &[Some(x)], &[("axis", int(1)), ("num_outputs", int(2))], 2)?;
    let half = channels / 2;
    let behind = conv_of(net, parts[1], [half, half, 1, 1], Vec::new(), 1)?;
    let behind = activation(net, behind)?;
    let joined = net.op("Concat", &[parts[0], behind], &[("axis", int(1))])?;
    shuffle(net, joined)
}

fn resize(net: &mut Net, x: ValueId) -> Made {
    let [_, height, width] = net.sizes(x)?;
    let mode = net.random.pick(&["nearest", "linear"]);
    let rule = net.random.pick(&["asymmetric", "half_pixel", "align_corners"]);
    // Every place of these is far from where `nearest` decides.
    let rule = if mode == "nearest" { "asymmetric" } else { rule };
    let attributes = [("mode", text(mode)), ("coordinate_transformation_mode", text(rule))];
    if net.random.one_in(2) {
        let scales = net.constant(Tensor::vector(vec![1.0_f32, 1.0, 2.0, 2.0]));
        return Ok(net.op_n("Resize", &[Some(x), None, Some(scales)], &attributes, 1)?[0]);
    }
    let axes = [("axes", ints(&[2, 3]))];
    let attributes: Vec<_> = attributes.into_iter().chain(axes).collect();
    let sizes = net.indices(&[height * 2, width * 3]);
    Ok(net.op_n("Resize", &[Some(x), None, None, Some(sizes)], &attributes, 1)?[0])
}

fn pad(net: &mut Net, x: ValueId) -> Made {
    let [_, height, width] = net.sizes(x)?;
    let mode = net.random.pick(&["constant", "edge", "reflect"]);
    if mode == "reflect" && (height < 3 || width < 3) {
        return unsuited();
    }
    let [a, b, c, d] = [0; 4].map(|_: usize| net.random.within(0, 2));
    let front = if mode == "constant" && net.random.one_in(4) { 1 } else { 0 };
    let pads = net.indices(&[0, front, a, b, 0, 0, c, d]);
    net.op("Pad", &[x, pads], &[("mode", text(mode))])
}

fn batch_norm(net: &mut Net, x: ValueId) -> Made {
    let [channels, ..] = net.sizes(x)?;
    let three = [0; 3].map(|_: usize| net.weight(&[channels], 1.0));
    let variance = net.constant(Tensor::vector(vec![0.75_f32; channels]));
    net.op("BatchNormalization", &[x, three[0], three[1], three[2], variance], &[])
}

fn space(net: &mut Net, x: ValueId) -> Made {
    let name = net.random.pick(&["DepthToSpace", "SpaceToDepth"]);
    net.op(name, &[x], &[("blocksize", int(2))])
}
