use super::*;
use crate::testing::{TestOps, rich_graph};

#[test]
fn round_trips() {
    let graph = rich_graph();
    let mut pool = TensorPool::default();
    let bytes = encode(&graph, &mut pool).unwrap();
    let back = decode(&bytes, &TestOps, &pool).unwrap();
    assert!(back == graph, "{}", crate::text::print(&back));
    assert_eq!(encode(&back, &mut TensorPool::default()).unwrap(), bytes);

    let inline = encode_inline(&graph).unwrap();
    let back = decode_inline(&inline.clone().into(), &TestOps).unwrap();
    assert!(back == graph);
    assert_eq!(encode_inline(&back).unwrap(), inline);
}

#[test]
fn gaps_do_not_matter() {
    let mut graph = rich_graph();
    let sink = graph.node_ids().last().unwrap();
    graph.remove_node(sink);
    assert!(encode_inline(&graph).unwrap() == encode_inline(&graph.compacted()).unwrap());
}

#[test]
fn refuses_what_it_does_not_know() {
    let graph = rich_graph();
    let good = encode_inline(&graph).unwrap();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode_inline(&bytes.into(), &TestOps).unwrap_err().to_string()
    };
    assert!(with(0, b'X').contains("other data"));
    assert!(with(4, 9).contains("expected version 1 or older of the binary form, got 9"));
    assert!(with(5, 0).contains("expected kind 1"));
    let longer = [&good[..], &[0]].concat();
    assert!(decode_inline(&longer.into(), &TestOps).unwrap_err().to_string().contains("end of the data"));
    let missing = encode(&graph, &mut TensorPool::default()).unwrap();
    let error = decode(&missing, &TestOps, &TensorPool::default()).unwrap_err();
    assert!(matches!(error, WireError::MissingTensor { index: 0, .. }), "{error}");
}

/// Every truncation and every changed byte gives a graph or an error, never a panic or a large allocation.
#[test]
fn damaged_data_never_panics() {
    let good = encode_inline(&rich_graph()).unwrap();
    for at in 0..good.len() {
        assert!(decode_inline(&Bytes::copy_from_slice(&good[..at]), &TestOps).is_err());
        for byte in [0, 1, 2, 0x7f, 0xff, good[at].wrapping_add(1), good[at] ^ 0x80] {
            let mut damaged = good.clone();
            damaged[at] = byte;
            let _: Result<_, _> = decode_inline(&damaged.into(), &TestOps);
        }
    }
}
