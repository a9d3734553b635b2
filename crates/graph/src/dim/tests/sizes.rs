use super::*;

fn assignment(pairs: &[(&str, u64)]) -> Assignment {
    pairs.iter().copied().collect()
}

#[test]
fn sizes_compare_in_three_ways() {
    let table = [
        ("3", "3", Some(true)),
        ("3", "4", Some(false)),
        ("N", "N+1", Some(false)),
        ("N", "3", None),
        ("N", "M", None),
        ("N+1", "0", Some(false)),
        ("2*N", "2*M+1", Some(false)),
        ("N%4+4*(N//4)", "N", Some(true)),
        ("N-N//2", "0", None),
        ("min(N,8)", "9", Some(false)),
        ("max(N,8)", "7", Some(false)),
        ("N%4", "4", Some(false)),
        ("?", "?", None),
        ("?", "3", None),
    ];
    for (a, b, expected) in table {
        assert_eq!(dim(a).equal(&dim(b)), expected, "{a} = {b}");
        assert_eq!(dim(b).equal(&dim(a)), expected, "{b} = {a}");
    }
}

#[test]
fn size_arithmetic_is_total() {
    let (n, three, unknown) = (dim("N"), Dim::fixed(3), Dim::Unknown);
    let table = [
        (three.sub(&Dim::fixed(5)), "?"),
        (n.sub(&three), "N-3"),
        (three.add(&unknown), "?"),
        (Dim::fixed(0).mul(&unknown), "0"),
        (three.floor_div(&Dim::fixed(0)), "?"),
        (n.floor_div(&Dim::fixed(0)), "?"),
        (n.ceil_div(&Dim::fixed(2)), "(N+1)//2"),
        (Dim::fixed(7).ceil_div(&Dim::fixed(2)), "4"),
        (dim("4*N").ceil_div(&Dim::fixed(2)), "2*N"),
        (dim("N*S*384").div_exact(&dim("384*N")), "S"),
        (dim("N*64*7").div_exact(&Dim::fixed(64 * 7)), "N"),
        (dim("9*N").div_exact(&Dim::fixed(4)), "2*N+N//4"),
        (Dim::fixed(7).div_exact(&Dim::fixed(2)), "?"),
        (Dim::fixed(u64::MAX).mul(&Dim::fixed(2)), "?"),
        (n.minimum(&Dim::fixed(8)), "min(8,N)"),
        (n.maximum(&Dim::fixed(0)), "N"),
        (dim("N*M+K").substitute(&"N".into(), &dim("2*K")), "2*K*M+K"),
        (dim("N//2").substitute(&"N".into(), &Dim::fixed(7)), "3"),
        (dim("N//2").substitute(&"N".into(), &Dim::Unknown), "?"),
        (dim("N//2").substitute(&"M".into(), &Dim::Unknown), "N//2"),
        (dim("N-5").resolve(&assignment(&[("N", 3)])), "?"),
        (dim("N*M+1").resolve(&assignment(&[("N", 3)])), "3*M+1"),
    ];
    for (got, expected) in table {
        assert_eq!(got.to_string(), expected);
        assert_eq!(got, dim(expected));
    }
    assert_eq!(dim("4*N").is_multiple_of(&Dim::fixed(2)), Some(true));
    assert_eq!(dim("4*N+1").is_multiple_of(&Dim::fixed(2)), Some(false));
    assert_eq!(dim("3*N").is_multiple_of(&Dim::fixed(2)), None);
    assert!(dim("N+2").is_at_least(2) && !dim("N+2").is_at_least(3));
}

/// Too large expressions become unknown instead of slow.
#[test]
fn complexity_is_capped() {
    let sum = (0..100).fold(Dim::fixed(0), |sum, n| sum.add(&Dim::symbol(&format!("s{n}"))));
    assert_eq!(sum, Dim::Unknown);
    let power = (0..100).fold(Dim::fixed(1), |product, _| product.mul(&dim("N+1")));
    assert_eq!(power, Dim::Unknown);
    let nested = (0..100).fold(dim("N"), |inner, n| {
        dim(&format!("m{n}")).floor_div(&inner.minimum(&dim("K")).add(&Dim::fixed(1)))
    });
    assert_eq!(nested, Dim::Unknown);
}

#[test]
fn shapes_broadcast() {
    type Row<'a> = (&'a [&'a str], Result<&'a str, (usize, &'a str, &'a str)>);
    let table: [Row<'_>; 13] = [
        (&[], Ok("[]")),
        (&["[N,3]", "[]"], Ok("[N,3]")),
        (&["[N,3,1]", "[5]"], Ok("[N,3,5]")),
        (&["[N,1]", "[1,M]"], Ok("[N,M]")),
        (&["[N]", "[M]"], Ok("[bcast(M,N)]")),
        (&["[N]", "[M]", "[8]"], Ok("[8]")),
        (&["[?]", "[M]"], Ok("[?]")),
        (&["[?]", "[M]", "[8]"], Ok("[8]")),
        (&["[0]", "[1]"], Ok("[0]")),
        (&["[2,3]", "[3,3]"], Err((0, "2", "3"))),
        (&["[2]", "[1]", "[7,3]"], Err((1, "2", "3"))),
        (&["[N+2]", "[N+3]"], Err((0, "N+2", "N+3"))),
        (&["[2*N]", "[3]"], Err((0, "2*N", "3"))),
    ];
    for (texts, expected) in table {
        let shapes: Vec<Shape> = texts.iter().map(|text| shape(text)).collect();
        let got = Shape::broadcast(&shapes.iter().collect::<Vec<_>>());
        let expected =
            expected.map(shape).map_err(|(axis, a, b)| BroadcastError { axis, a: dim(a), b: dim(b) });
        assert_eq!(got, expected, "{texts:?}");
    }
}

#[test]
fn shapes_merge() {
    let table = [
        ("[?,N,3,?0]", "[2,?,N,M]", Ok("[2,N,3,M]")),
        ("[N]", "[M]", Ok("[N]")),
        ("[?3+1]", "[?4]", Ok("[?3+1]")),
        ("[2,3]", "[2,4]", Err("axis 1: size 3 contradicts size 4")),
        ("[N]", "[N+1]", Err("axis 0: size N contradicts size N+1")),
        ("[2]", "[]", Err("rank 1 contradicts rank 0")),
    ];
    for (a, b, expected) in table {
        let got = shape(a).merge_refine(&shape(b)).map_err(|error| error.to_string());
        assert_eq!(got, expected.map(shape).map_err(String::from), "{a} with {b}");
    }
}

#[test]
fn shapes_have_sizes() {
    let symbolic = shape("[N, 3, 48, 192]");
    assert_eq!(symbolic.to_string(), "[N,3,48,192]");
    assert_eq!(symbolic.numel(), dim("27648*N"));
    assert_eq!(symbolic.as_fixed(), None);
    assert_eq!(symbolic.eval(&assignment(&[("N", 2)])), Some(vec![2, 3, 48, 192]));
    assert_eq!(symbolic.resolve(&assignment(&[("N", 2)])).as_fixed(), Some(vec![2, 3, 48, 192]));
    assert_eq!(shape("[N,M*K]").symbols().iter().map(Symbol::name).collect::<Vec<_>>(), ["K", "M", "N"]);
    assert_eq!(shape("[]").numel(), Dim::fixed(1));
    assert_eq!(shape("[0,?]").numel(), Dim::fixed(0));
    assert_eq!(shape("[N,2]").equal(&shape("[M,3]")), Some(false));
    assert_eq!(shape("[N,2]").equal(&shape("[M,2]")), None);
    assert_eq!(Shape::parse_prefix("[N,2] -> x"), Ok((shape("[N,2]"), 5)));
    assert_eq!(Dim::parse_prefix("N*2, M"), Ok((dim("2*N"), 3)));
}

#[test]
fn actual_sizes_bind_symbols() {
    type Pairs<'a> = &'a [(&'a str, u64)];
    type Row<'a> = (&'a str, Pairs<'a>, u64, Result<Pairs<'a>, &'a str>);
    let table: [Row<'_>; 16] = [
        ("3", &[], 3, Ok(&[])),
        ("3", &[], 4, Err("size is 4, expected 3")),
        ("?", &[], 4, Ok(&[])),
        ("N", &[], 4, Ok(&[("N", 4)])),
        ("N", &[("N", 4)], 4, Ok(&[("N", 4)])),
        ("N", &[("N", 4)], 5, Err("size is 5, expected N (= 4)")),
        ("2*N+1", &[], 7, Ok(&[("N", 3)])),
        ("2*N+1", &[], 8, Err("size is 8, expected 2*N+1")),
        ("N+5", &[], 4, Err("size is 4, expected N+5")),
        ("N+M", &[("M", 4)], 6, Ok(&[("M", 4), ("N", 2)])),
        ("N*M", &[("M", 4)], 12, Ok(&[("M", 4), ("N", 3)])),
        ("N*M", &[("M", 0)], 0, Ok(&[("M", 0)])),
        ("N*M", &[("M", 0)], 1, Err("size is 1, expected M*N (= 0)")),
        ("N*M", &[], 12, Ok(&[])),
        ("N//2", &[], 12, Ok(&[])),
        ("N", &[], 1 << 30, Err("size is 1073741824, expected N with symbols of at most 1000000000")),
    ];
    for (pattern, before, actual, expected) in table {
        let mut found = assignment(before);
        let result = dim(pattern).unify(actual, &mut found).map_err(|error| error.to_string());
        match expected {
            Ok(after) => assert_eq!((result, found), (Ok(()), assignment(after)), "{pattern} = {actual}"),
            Err(message) => assert_eq!(result, Err(message.into()), "{pattern} = {actual}"),
        }
    }
}

#[test]
fn actual_shapes_bind_symbols_in_any_order() {
    let (product, first, second) = (shape("[N*M,N//2]"), shape("[N]"), shape("[N+M]"));
    let mut found = Assignment::new();
    let fits = [(&product, &[12, 1][..]), (&second, &[7][..]), (&first, &[3][..])];
    assert_eq!(unify_shapes(&fits, &mut found), Ok(()));
    assert_eq!(found, assignment(&[("N", 3), ("M", 4)]));
    let clash = [(&product, &[12, 2][..]), (&second, &[7][..]), (&first, &[3][..])];
    let error = unify_shapes(&clash, &mut Assignment::new());
    let message = error.map_err(|(index, error)| format!("{index}: {error}"));
    assert_eq!(message, Err("0: axis 1: size is 2, expected N//2 (= 1)".into()));
    let rank = first.unify(&[1, 2], &mut Assignment::new());
    assert_eq!(rank, Err(ShapeMismatch::Rank { expected: 1, actual: 2 }));
}

/// Three convolutions with kernel 3, stride 2 and padding 1 halve a size; four upsamplings and a crop restore it.
#[test]
fn sizes_of_a_network() {
    let (one, two) = (SymInt::constant(1), SymInt::constant(2));
    let convolve = |size: &SymInt| size.add(&two).sub(&SymInt::constant(3)).floor_div(&two).add(&one);
    let input = SymInt::from(&dim("H"));
    let down = (0..3).fold(input.clone(), |size, _| convolve(&size));
    assert_eq!(down.to_string(), "(H+7)//8");
    let up = (0..3).fold(down, |size, _| size.mul(&two));
    assert_eq!(up.to_string(), "8*((H+7)//8)");
    assert_eq!(up.minimum(&input), input);
    let exact = dim("16*H").to_expr().map(SymInt::from);
    let exact = exact.map(|size| (0..4).fold(size, |size, _| convolve(&size)));
    assert_eq!(exact, Some(SymInt::from(&dim("H"))));
}

/// `Shape → Gather → Concat → Reshape` as exporters write `x.view(x.size(0), -1, 64)`.
#[test]
fn contents_of_shape_tensors() -> Result<(), SymValuesError> {
    let input = shape("[N,S,384]");
    let values = SymValues::of_shape(&input)?;
    assert_eq!(values.to_string(), "[3]{N,S,384}");
    let batch = values.values().first().cloned().unwrap_or(SymInt::Unknown);
    let target = SymValues::vector(vec![batch, SymInt::constant(-1), SymInt::constant(64)])?;
    assert_eq!(target.to_shape(), Some([dim("N"), Dim::Unknown, dim("64")].into()));
    let known = dim("N").mul(&dim("64"));
    assert_eq!(input.numel().div_exact(&known), dim("6*S"));

    let rows = SymValues::from_numbers(&[2, 1], &[1, 2])?;
    let table = rows.zip_with(&values, SymInt::mul)?;
    assert_eq!(table.to_string(), "[2,3]{N,S,384,2*N,2*S,768}");
    assert_eq!(table.reshaped(&[6])?.map(SymInt::neg).to_string(), "[6]{-N,-S,-384,-2*N,-2*S,-768}");
    assert_eq!(table.eval(&assignment(&[("N", 1), ("S", 2)])), Some(vec![1, 2, 384, 2, 4, 768]));
    assert_eq!(table.to_shape(), None);
    assert_eq!(SymValues::scalar(SymInt::constant(7)).sole(), Some(&SymInt::constant(7)));

    let empty = SymValues::from_numbers(&[usize::MAX, 0], &[])?;
    assert_eq!(empty.zip_with(&SymValues::scalar(SymInt::Unknown), SymInt::add)?, empty);
    let clash = text(values.zip_with(&SymValues::filled(&[2], &SymInt::Unknown)?, SymInt::add));
    assert_eq!(clash, "axis 0: sizes 3 and 2 cannot be broadcast together");
    assert_eq!(text(SymValues::filled(&[33, 32], &SymInt::Unknown)), "1056 elements, expected at most 1024");
    assert_eq!(text(SymValues::from_numbers(&[3], &[1])), "1 values, expected 3 for the shape");
    Ok(())
}

fn text(result: Result<SymValues, SymValuesError>) -> String {
    result.map_or_else(|error| error.to_string(), |values| values.to_string())
}

#[test]
fn integer_division_rounds_to_zero() {
    let table = [
        ("-7", "2", "-3"),
        ("7", "-2", "-3"),
        ("-7", "-2", "3"),
        ("N", "2", "N//2"),
        ("-N", "2", "-(N//2)"),
        ("N-M", "2", "?"),
        ("2*N-2*M", "2", "-M+N"),
    ];
    for (a, b, expected) in table {
        let got = SymInt::from(expr(a)).truncating_div(&expr(b).into());
        assert_eq!(Ok(got), expected.parse(), "{a} / {b}");
    }
}

#[test]
fn invented_symbols_do_not_collide() {
    let mut source = FreshSymbols::new();
    assert_eq!(source.fresh().name(), "?0");
    source.avoid(&Symbol::from("?7"));
    source.avoid(&Symbol::from("?07"));
    source.avoid(&Symbol::from("N"));
    assert_eq!(source.fresh(), Symbol::fresh(8));
    assert!(!Symbol::from("?").is_fresh() && !Symbol::from("?+1").is_fresh());
}
