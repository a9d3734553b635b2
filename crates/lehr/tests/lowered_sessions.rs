//! What sessions over lowered graphs promise: they share a model, and what is not a number stays where it is read.

mod nets;

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use lehr_graph::{Graph, text};
use lehr_ops::registry::Operators;
use lehr_runtime::Session;
use lehr_tensor::Tensor;

use nets::{assert_right, attention, compiled, maps, values};

const SESSIONS: usize = 8;
const RUNS: usize = 12;

/// Far more than all runs take.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn eight_sessions_share_a_model() {
    let image: fn(usize) -> Vec<usize> = |which| vec![1 + which % 2, 3, 9 + which, 24 - which];
    let positions: fn(usize) -> Vec<usize> = |which| vec![2, 5 + 3 * which, 12];
    for (graph, shape) in [(maps(), image), (attention(), positions)] {
        let model = compiled(&graph, 3);
        let (sender, results) = channel();
        for which in 0..SESSIONS {
            let (model, sender) = (Arc::clone(&model), sender.clone());
            std::thread::spawn(move || {
                let mut session = Session::new(model);
                for run in 0..RUNS {
                    // Another size from run to run: kernels keep plans for the last one.
                    let x = values(&shape((which + run) % SESSIONS), which * RUNS + run);
                    let y = session.run(vec![x.clone().into()]).unwrap().into_values().remove(0);
                    sender.send((x, y)).unwrap();
                }
            });
        }
        drop(sender);
        for _ in 0..SESSIONS * RUNS {
            let (x, y) = results.recv_timeout(PATIENCE).expect("every session gives a result");
            assert_right(&graph, &x, &y);
        }
    }
}

/// The bits of what a lowered graph gives.
fn bits(graph: &Graph, x: &Tensor) -> Vec<u32> {
    let outputs = Session::new(compiled(graph, 1)).run(vec![x.clone().into()]).unwrap().into_values();
    outputs[0].as_tensor().unwrap().as_slice::<f32>().unwrap().iter().map(|y| y.to_bits()).collect()
}

/// `x` with one element replaced.
fn with(x: &Tensor, at: usize, value: f32) -> Tensor {
    let mut numbers = x.as_slice::<f32>().unwrap().to_vec();
    numbers[at] = value;
    Tensor::from_vec(x.shape(), numbers).unwrap()
}

const UNUSUAL: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

#[test]
fn what_is_not_finite_stays_in_its_image() {
    for (graph, shape) in [(maps(), [2, 3, 13, 11].as_slice()), (attention(), &[2, 7, 12])] {
        let x = values(shape, 1);
        let plain = bits(&graph, &x);
        for value in UNUSUAL {
            let other = bits(&graph, &with(&x, 5, value));
            let half = plain.len() / 2;
            assert_ne!(plain[..half], other[..half]);
            assert_eq!(plain[half..], other[half..], "{value}");
        }
    }
}

fn one(body: &str) -> Graph {
    text::parse(&format!("graph {{ {body} }}"), &Operators).unwrap()
}

fn ones(name: &str, shape: [usize; 4]) -> String {
    let len: usize = shape.iter().product();
    let [m, c, h, w] = shape;
    format!("const %{name} = f32[{m},{c},{h},{w}] [{}]", vec!["0.25"; len].join(", "))
}

#[test]
fn what_is_not_finite_stays_in_its_channel_where_channels_are_apart() {
    let weights = ones("w", [11, 1, 3, 3]);
    let graph = one(&format!(
        "input %x: f32[1,11,9,9] {weights} %a = Conv(%x, %w) {{group = 11, pads = [1, 1, 1, 1]}} %b = Relu(%a)
        %y = MaxPool(%b) {{kernel_shape = [3, 3], strides = [2, 2]}} output %y"
    ));
    let x = values(&[1, 11, 9, 9], 3);
    let plain = bits(&graph, &x);
    let each = plain.len() / 11;
    for value in UNUSUAL {
        // The last channel is followed by spare lanes.
        for channel in [0, 4, 10] {
            let other = bits(&graph, &with(&x, channel * 81 + 40, value));
            let differs = |c: usize| plain[c * each..][..each] != other[c * each..][..each];
            assert!((0..11).all(|c| c == channel || !differs(c)), "{value} in channel {channel}");
        }
    }
}

/// Windows that are summed up directly: a pixel is read by the windows over it alone.
#[test]
fn what_is_not_finite_stays_in_the_windows_over_it() {
    let (first, second) = (ones("f", [12, 3, 3, 3]), ones("s", [9, 12, 3, 3]));
    let graph = one(&format!(
        "input %x: f32[1,3,16,16] {first} {second} %a = Conv(%x, %f) {{pads = [1, 1, 1, 1]}} %b = Relu(%a)
        %y = Conv(%b, %s) {{pads = [1, 1, 1, 1]}} output %y"
    ));
    let x = values(&[1, 3, 16, 16], 3);
    let plain = bits(&graph, &x);
    for value in UNUSUAL {
        let other = bits(&graph, &with(&x, 256 + 5 * 16 + 9, value));
        for at in (0..plain.len()).filter(|&at| plain[at] != other[at]) {
            let (row, column) = (at % 256 / 16, at % 16);
            assert!(
                row.abs_diff(5) <= 2 && column.abs_diff(9) <= 2,
                "{value} reaches row {row}, column {column}"
            );
        }
    }
}
