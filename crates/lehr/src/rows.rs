//! Tensors taken apart and put together along their first axis, by name.

use lehr_tensor::{Bytes, DataType, Tensor};

type Named = Vec<(String, Tensor)>;

/// How many rows the feeds have that are not constant; those of the first one count.
pub fn count(feeds: &[(String, Tensor)], is_constant: impl Fn(&str) -> bool) -> usize {
    let first = feeds.iter().find(|(name, _)| !is_constant(name));
    first.and_then(|(_, tensor)| tensor.shape().first().copied()).unwrap_or(1)
}

/// Row `row` of every feed, its first axis of size 1; constant feeds are taken whole.
pub fn take(
    feeds: &[(String, Tensor)],
    row: usize,
    is_constant: impl Fn(&str) -> bool,
) -> Result<Named, String> {
    let one = |(name, tensor): &(String, Tensor)| {
        let tensor = if is_constant(name) { tensor.clone() } else { slice(tensor, row, 1)? };
        Ok((name.clone(), tensor))
    };
    feeds.iter().map(one).collect()
}

/// Whether all have the same tensors of the same types and sizes, but for the first axis.
pub fn have_equal_shapes(all: &[Named]) -> bool {
    let alike = |(a_name, a): &(String, Tensor), (b_name, b): &(String, Tensor)| {
        let rest = |tensor: &Tensor| tensor.shape().get(1..).map(<[usize]>::to_vec);
        a_name == b_name && a.dtype() == b.dtype() && rest(a).is_some() && rest(a) == rest(b)
    };
    all.windows(2).all(|pair| match pair {
        [a, b] => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        _ => true,
    })
}

/// All tensors of one name behind each other.
pub fn concatenate(all: &[Named]) -> Result<Named, String> {
    let Some(first) = all.first() else { return Ok(Named::new()) };
    let mut joined = Named::new();
    for (index, (name, tensor)) in first.iter().enumerate() {
        let parts: Vec<&Tensor> = all.iter().filter_map(|named| Some(&named.get(index)?.1)).collect();
        joined.push((name.clone(), join(tensor, &parts).map_err(|problem| format!("'{name}': {problem}"))?));
    }
    Ok(joined)
}

/// Takes every tensor apart into pieces of that many rows; `None` when one has other rows.
pub fn split(joined: &[(String, Tensor)], counts: &[usize]) -> Option<Vec<Named>> {
    let total: usize = counts.iter().sum();
    if joined.iter().any(|(_, tensor)| tensor.shape().first() != Some(&total)) {
        return None;
    }
    let mut start = 0;
    let mut all = Vec::with_capacity(counts.len());
    for &count in counts {
        let piece =
            |(name, tensor): &(String, Tensor)| Some((name.clone(), slice(tensor, start, count).ok()?));
        all.push(joined.iter().map(piece).collect::<Option<Named>>()?);
        start += count;
    }
    Some(all)
}

/// Text and elements below a byte have no byte offsets of their own.
fn row_bytes(tensor: &Tensor) -> Result<usize, String> {
    let rows = tensor.shape().first().copied().filter(|&rows| rows > 0);
    let bytes = rows.map(|rows| tensor.byte_len() / rows);
    match bytes {
        Some(bytes)
            if tensor.dtype() != DataType::String && bytes * rows.unwrap_or(0) == tensor.byte_len() =>
        {
            Ok(bytes)
        }
        _ => Err(format!("a tensor {}{:?} can not be taken apart by rows", tensor.dtype(), tensor.shape())),
    }
}

fn slice(tensor: &Tensor, start: usize, count: usize) -> Result<Tensor, String> {
    let bytes = row_bytes(tensor)?;
    let (from, to) = (start * bytes, (start + count) * bytes);
    if to > tensor.byte_len() {
        return Err(format!("row {} of {:?} does not exist", start + count - 1, tensor.shape()));
    }
    let mut shape = tensor.shape().to_vec();
    shape[0] = count;
    let part = tensor.to_shared_bytes().slice(from..to);
    Tensor::from_bytes(tensor.dtype(), &shape, part).map_err(|error| error.to_string())
}

fn join(first: &Tensor, parts: &[&Tensor]) -> Result<Tensor, String> {
    if let [single] = parts {
        return Ok((*single).clone());
    }
    let mut shape = first.shape().to_vec();
    let mut bytes = Vec::new();
    let mut rows = 0;
    for part in parts {
        if part.dtype() != first.dtype() || part.shape().get(1..) != shape.get(1..) {
            return Err(format!("{:?} does not go behind {:?}", part.shape(), first.shape()));
        }
        row_bytes(part)?;
        rows += part.shape()[0];
        bytes.extend_from_slice(part.bytes());
    }
    shape[0] = rows;
    Tensor::from_bytes(first.dtype(), &shape, Bytes::from(bytes)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(rows: &[[f32; 2]]) -> Named {
        vec![("x".to_owned(), Tensor::from_vec(&[rows.len(), 2], rows.concat()).unwrap())]
    }

    #[test]
    fn rows_come_apart_and_together() {
        let (a, b) = (named(&[[1.0, 2.0]]), named(&[[3.0, 4.0], [5.0, 6.0]]));
        assert!(have_equal_shapes(&[a.clone(), b.clone()]));
        let joined = concatenate(&[a.clone(), b.clone()]).unwrap();
        assert_eq!(joined, named(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]));
        assert_eq!(split(&joined, &[1, 2]).unwrap(), [a, b]);
        assert_eq!(take(&joined, 1, |_| false).unwrap(), named(&[[3.0, 4.0]]));
        assert!(take(&joined, 3, |_| false).is_err());
        assert_eq!(split(&joined, &[1, 1]), None);
    }

    #[test]
    fn what_has_no_rows_is_refused() {
        let scalar = vec![("x".to_owned(), Tensor::scalar(1.0f32))];
        assert!(concatenate(&[scalar.clone(), scalar.clone()]).is_err());
        assert!(!have_equal_shapes(&[scalar.clone(), scalar]));
    }
}
