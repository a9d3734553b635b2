use super::HoistSlices;
use crate::check::Check;
use crate::cost_model::Totals;
use crate::rewrite::Rewriter;
use crate::testing::{assert_rewrites, assert_unchanged, graph, run_with, text};

fn pass() -> Rewriter<HoistSlices> {
    Rewriter(HoistSlices)
}

/// The rewritten text and multiply-accumulates and bytes before and after; results are the same bit for bit.
#[track_caller]
fn hoist(before: &str) -> (String, Totals, Totals) {
    let exact = Check { rtol: 0.0, atol: 0.0, ..Check::default() };
    let (got, report) = run_with(pass(), before, |options| options.check = Some(exact));
    assert_eq!(report.unchecked, None);
    (text(&got), Totals::of(&graph(before)), Totals::of(&got))
}

#[test]
fn chains_of_elementwise_operators_run_on_the_crop() {
    let (text, before, after) = hoist(
        "graph { input %x: f32[1,3,512,512]
        const %s = i64[2] [128, 128] const %e = i64[2] [384, 384] const %axes = i64[2] [2, 3]
        const %f = f32[] [2] const %b = f32[3,1,1] [1, 2, 3]
        %a = Add(%x, %b) %m = Mul(%f, %a) %y = Slice(%m, %s, %e, %axes) output %y }",
    );
    for line in ["f32[1,3,256,256] = Slice(%x", "f32[1,3,256,256] = Add(", "f32[1,3,256,256] = Mul("] {
        assert!(text.contains(line), "{text}");
    }
    assert!(2 * after.bytes < before.bytes, "{before:?} {after:?}");
}

#[test]
fn a_head_computes_the_row_that_it_reads() {
    let (text, before, after) = hoist(
        "graph { input %x: f32[2,64,32] input %w: f32[32,48] input %s: f32[32] input %b: f32[32]
        const %last = i64[] [-1]
        %r = Add(%x, %x) %n = LayerNormalization(%r, %s, %b) %m = MatMul(%n, %w)
        %y = Gather(%m, %last) {axis = 1} output %y }",
    );
    assert!(before.macs > 60 * after.macs, "{before:?} {after:?}");
    assert!(text.contains("Squeeze"), "{text}");
    assert!(text.contains("f32[2,1,32] = Slice(%x"), "{text}");
}

#[test]
fn a_symbolic_axis_is_sliced_from_its_end() {
    let (text, ..) = hoist(
        "graph { input %x: f32[2,N,32] input %w: f32[32,48]
        const %s = i64[1] [-1] const %e = i64[1] [9223372036854775807] const %a = i64[1] [1]
        %m = MatMul(%x, %w) %y = Slice(%m, %s, %e, %a) output %y }",
    );
    assert!(text.contains("Slice(%x"), "{text}");
}

#[test]
fn a_cropped_network_with_a_skip_computes_the_crop_and_its_halo() {
    let (text, before, after) = hoist(
        "graph { input %x: f32[1,3,64,64]
        input %w: f32[8,3,3,3] input %v: f32[8,8,3,3] input %u: f32[4,16,3,3] input %t: f32[1,4,1,1]
        const %s = i64[2] [24, 24] const %e = i64[2] [40, 40] const %axes = i64[2] [2, 3]
        %skip = Conv(%x, %w) {pads = [1, 1, 1, 1]} %r = Relu(%skip)
        %deep = Conv(%r, %v) {pads = [2, 2, 2, 2], dilations = [2, 2]} %d = Relu(%deep)
        %c = Concat(%r, %d) {axis = 1}
        %o = Conv(%c, %u) {pads = [1, 1, 1, 1]} %q = Relu(%o) %l = Conv(%q, %t) %p = Sigmoid(%l)
        %y = Slice(%p, %s, %e, %axes) output %y }",
    );
    assert!(before.macs > 8 * after.macs, "{before:?} {after:?}");
    assert!(text.contains("f32[1,3,24,24] = Slice(%x"), "{text}");
}

#[test]
fn windows_see_the_same_elements() {
    for pool in [
        "MaxPool(%x) {kernel_shape = [7, 9], strides = [1, 2], pads = [1, 1, 3, 1]}",
        "AveragePool(%x) {kernel_shape = [7, 9], pads = [3, 1, 3, 1], count_include_pad = 1}",
        "AveragePool(%x) {kernel_shape = [7, 9], pads = [1, 1, 3, 1]}",
        "Conv(%x, %w) {pads = [1, 1, 1, 1], strides = [2, 1], dilations = [1, 2]}",
        "Conv(%x, %w) {auto_pad = \"VALID\"}",
    ] {
        for slice in
            ["%zero, %ten, %axis", "%one, %end, %axis", "%two, %ten, %axis, %two", "%zero, %end, %axis, %two"]
        {
            let (text, ..) = hoist(&format!(
                "graph {{ input %x: f32[1,8,40,40] input %w: f32[8,8,3,3]
                const %zero = i64[1] [0] const %one = i64[1] [1] const %two = i64[1] [2]
                const %ten = i64[1] [10] const %end = i64[1] [1000] const %axis = i64[1] [-2]
                %c = {pool} %y = Slice(%c, {slice}) output %y }}"
            ));
            // All but the first index is no saving worth a node; what is cut in halves is.
            let moved = text.contains("Slice(%x") || !text.contains("Slice");
            assert!(moved || slice.contains("%one"), "{text}");
        }
    }
}

#[test]
fn slices_fall_into_parts_of_concatenations() {
    let concat = |start: i64, end: i64, step: i64| {
        hoist(&format!(
            "graph {{ input %a: f32[64,10] input %b: f32[64,20] input %d: f32[64,5]
            const %s = i64[1] [{start}] const %e = i64[1] [{end}] const %axis = i64[1] [1] const %t = i64[1] [{step}]
            %c = Concat(%a, %b, %d) {{axis = 1}} %y = Slice(%c, %s, %e, %axis, %t) output %y }}"
        ))
        .0
    };
    let inside = concat(12, 20, 1);
    assert!(inside.contains("Slice(%b") && !inside.contains("Concat"), "{inside}");
    for (start, end, step) in [(5, 12, 1), (3, 34, 2), (9, 35, 7), (0, 11, 10)] {
        concat(start, end, step);
    }
}

#[test]
fn padding_that_is_cut_off_is_not_made() {
    let pad = |mode: &str, start: i64, end: i64| {
        hoist(&format!(
            "graph {{ input %x: f32[64,64] const %p = i64[4] [2, 10, 3, 12]
            const %s = i64[1] [{start}] const %e = i64[1] [{end}] const %axis = i64[1] [1]
            %c = Pad(%x, %p) {{mode = \"{mode}\"}} %y = Slice(%c, %s, %e, %axis) output %y }}"
        ))
        .0
    };
    assert!(pad("constant", 4, 20).contains("Slice(%x"));
    assert!(pad("reflect", 20, 40).contains("Slice(%x"));
    assert!(!pad("reflect", 4, 20).contains("Slice(%x"));
}

#[test]
fn reshapes_that_keep_the_axis_are_passed_on_the_way() {
    let (text, before, after) = hoist(
        "graph { input %x: f32[2,64,32] input %w: f32[32,48]
        const %shape = i64[4] [2, 64, 6, 8] const %perm = i64[1] [0]
        const %s = i64[1] [60] const %e = i64[1] [64] const %a = i64[1] [2]
        %m = MatMul(%x, %w) %r = Reshape(%m, %shape) %t = Transpose(%r) {perm = [0, 2, 1, 3]}
        %y = Slice(%t, %s, %e, %a) output %y }",
    );
    assert!(before.macs == 16 * after.macs && text.contains("Slice(%x"), "{text}");
}

#[test]
fn fewer_repetitions_are_made() {
    let (text, ..) = hoist(
        "graph { input %x: f32[1,64] const %shape = i64[2] [128, 64]
        const %s = i64[2] [3, 5] const %e = i64[2] [20, 30]
        %r = Expand(%x, %shape) %y = Slice(%r, %s, %e) output %y }",
    );
    assert!(text.contains("Slice(%x") && text.contains("[17, 25]"), "{text}");
}

#[test]
fn columns_come_from_columns_of_weights() {
    assert_rewrites(
        pass,
        "graph { input %x: f32[64,2] const %w = f32[2,4] [1, 2, 3, 4, 5, 6, 7, 8] const %b = f32[4] [1, 2, 3, 4]
        const %i = i64[2] [3, 1]
        %m = Gemm(%x, %w, %b) %y = Gather(%m, %i) {axis = 1} output %y }",
        "graph { input %x: f32[64,2] const %0 = f32[2,2] [4, 2, 8, 6] const %1 = f32[2] [4, 2]
        %y = Gemm(%x, %0, %1) output %y }",
    );
}

#[test]
fn slices_of_one_value_move_together() {
    let (text, before, after) = hoist(
        "graph { input %x: f32[64,32] input %w: f32[32,48]
        const %zero = i64[] [0] const %two = i64[1] [2] const %one = i64[1] [1] const %axis = i64[1] [0]
        %m = MatMul(%x, %w) %a = Gather(%m, %zero) {axis = 0} %b = Slice(%m, %one, %two, %axis)
        output %a output %b }",
    );
    assert!(before.macs == 32 * after.macs, "{text}");
    assert_unchanged(
        pass,
        "graph { input %x: f32[64,32] input %w: f32[32,48]
        const %n = i64[1] [64] const %k = i64[1] [2] const %zero = i64[1] [0] const %axis = i64[1] [0]
        %m = MatMul(%x, %w) %a = Slice(%m, %zero, %k, %axis) %b = Slice(%m, %k, %n, %axis)
        output %a output %b }",
        Some("its slices together take the whole value"),
    );
}

#[test]
fn a_lone_part_of_a_split_is_a_slice() {
    let (text, before, after) = hoist(
        "graph { input %x: f32[64,32] input %w: f32[32,48]
        %m = MatMul(%x, %w) %a, %b = Split(%m) {axis = 0, num_outputs = 2} output %b }",
    );
    assert!(before.macs == 2 * after.macs && text.contains("Slice(%x"), "{text}");
}

#[test]
fn slices_of_slices_are_one() {
    let (text, ..) = hoist(
        "graph { input %x: f32[64,64]
        const %s = i64[1] [4] const %e = i64[1] [60] const %t = i64[1] [3] const %k = i64[1] [7]
        const %a = i64[1] [0] const %b = i64[1] [1]
        %p = Slice(%x, %s, %e, %a, %t) %q = Slice(%p, %k, %e, %a, %t) %y = Slice(%q, %s, %e, %b) output %y }",
    );
    assert_eq!(text.matches("Slice(").count(), 1, "{text}");
}

#[test]
fn what_mixes_the_axis_or_is_read_elsewhere_stays() {
    let text = |node: &str, more: &str| {
        format!(
            "graph {{ input %x: f32[64,64] input %s: i64[1]
            const %k = i64[1] [2] const %zero = i64[1] [0] const %axis = i64[1] [1] const %shape = i64[2] [32, 128]
            %m = {node} %y = Slice(%m, %zero, %k, %axis) output %y {more} }}"
        )
    };
    assert_unchanged(pass, &text("Softmax(%x) {axis = 1}", ""), Some("Softmax mixes the indices"));
    assert_unchanged(pass, &text("Reshape(%x, %shape)", ""), Some("splits or joins the sliced axis"));
    assert_unchanged(pass, &text("Relu(%x)", "output %m"), Some("ns longer"));
    assert_unchanged(
        pass,
        "graph { input %x: f32[64,64] input %s: i64[1] %m = Relu(%x) %y = Slice(%m, %s, %s) output %y }",
        None,
    );
}
