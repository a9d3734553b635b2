mod random;
mod sizes;

use super::*;

fn expr(text: &str) -> SymExpr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn dim(text: &str) -> Dim {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn shape(text: &str) -> Shape {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Left: what was written; right: the canonical text.
#[test]
fn canonical_forms() {
    let table = [
        ("N+N", "2*N"),
        ("N-N", "0"),
        ("1+N*2", "2*N+1"),
        ("(N+1)*(N-1)", "N*N-1"),
        ("S*N*384", "384*N*S"),
        ("-N", "-N"),
        ("N*-1+M", "M-N"),
        ("-9223372036854775808*N + -9223372036854775808", "-9223372036854775808*N+-9223372036854775808"),
        // Division by numbers.
        ("(4*N+8)//4", "N+2"),
        ("(4*N+3)//4", "N"),
        ("(5*N+7)//4", "N+(N+3)//4+1"),
        ("(-N)//2", "-N+N//2"),
        ("N//-2", "-N+N//2"),
        ("(2*N+3)//4", "(N+1)//2"),
        ("((N+1)//2+1)//2", "(N+3)//4"),
        ("N//2//3", "N//6"),
        ("(N%4)//4", "0"),
        ("(N%4+8)//4", "2"),
        ("-7//2", "-4"),
        ("N//1", "N"),
        // Division by expressions.
        ("(N*S*384)//(N*384)", "S"),
        ("(N*64*7)//(64*7)", "N"),
        ("(N*N-1)//(N+1)", "N-1"),
        ("(6*N*M+3*M)//(3*M)", "2*N+1"),
        ("(N*M+3)//M", "N+3//M"),
        ("(2*N*M)//(4*M*M)", "N//(2*M)"),
        ("N//(N+1)", "0"),
        ("N//N", "1"),
        // Remainders.
        ("N%1", "0"),
        ("(5*N+6)%4", "(N+2)%4"),
        ("(2*N+3)%4", "2*((N+1)%2)+1"),
        ("(N%12)%4", "N%4"),
        ("(N%4)%8", "N%4"),
        ("(M*N)%N", "0"),
        ("(M*N+3)%N", "3%N"),
        ("-7%4", "1"),
        ("7%-4", "-1"),
        ("(N*M)%(2*N)", "N*(M%2)"),
        // Minimum and maximum.
        ("min(N,N)", "N"),
        ("max(N,0)", "N"),
        ("max(N,-1)", "N"),
        ("min(N,0)", "0"),
        ("max(N,1)", "max(1,N)"),
        ("min(N+1,N)", "N"),
        ("max(max(A,B),max(B,C))", "max(A,B,C)"),
        ("max(0,N-N//2)", "N-N//2"),
        ("min(max(N-3,0),N)", "max(0,N-3)"),
        ("max(min(N,8),0)", "min(8,N)"),
        ("min(min(N,8),5)", "min(5,N)"),
        ("min(N-7,9223372036854775807)", "N-7"),
        ("max(N-7,-9223372036854775808)", "N-7"),
        // Broadcast is not the maximum.
        ("bcast(A,A)", "A"),
        ("bcast(A,1)", "A"),
        ("bcast(1,A)", "A"),
        ("bcast(A,7)", "7"),
        ("bcast(A,0)", "0"),
        ("bcast(B,bcast(A,B))", "bcast(A,B)"),
        ("bcast(2*N,M)", "2*N"),
        ("bcast(N+2,M)", "N+2"),
        ("bcast(N,N+1)", "bcast(N,N+1)"),
        // A size that goes up to another one is that one, where they fit.
        ("bcast(N,min(N,512))", "N"),
        ("bcast(min(M,N,512),min(M,N))", "min(M,N)"),
        ("bcast(B,min(A,B))", "bcast(B,min(A,B))"),
        ("bcast(B,min(N,B))", "bcast(B,min(B,N))"),
        ("12*bcast(N,min(N,512))//N", "12"),
        // Named symbols end somewhere.
        ("min(N,1000000000)", "N"),
        ("min(N//2,1000000000)", "N//2"),
        ("min(N,999999999)", "min(999999999,N)"),
        ("min(?0,1000000000)", "min(1000000000,?0)"),
        // Names.
        ("?3+1", "?3+1"),
        ("\"my dim\"+\"min\"", "\"min\"+\"my dim\""),
        ("\"a\\\"\\\\\\u{a}\"", "\"a\\\"\\\\\\u{a}\""),
        (" N * ( M + 1 ) ", "M*N+N"),
    ];
    for (written, canonical) in table {
        assert_eq!(expr(written).to_string(), canonical, "{written}");
        assert_eq!(expr(canonical), expr(written), "{written}");
    }
}

/// A size that is larger than what expressions hold is still a size.
#[test]
fn huge_sizes() {
    let huge = dim("18446744073709551615");
    assert_eq!(huge, Dim::Fixed(u64::MAX));
    assert_eq!(huge.add(&Dim::Fixed(1)), Dim::Unknown);
    assert_eq!(huge.mul(&dim("N")), Dim::Unknown);
    assert_eq!(shape("[N, 18446744073709551615]").numel(), Dim::Unknown);
}

#[test]
fn rejected_texts() {
    let table = [
        ("", "expected a number, a symbol or `(` at byte 0"),
        ("N+", "expected a number, a symbol or `(` at byte 2"),
        ("N M", "expected the end of the text at byte 2"),
        ("(N", "expected `)` at byte 2"),
        ("min", "expected `(` at byte 3"),
        ("min(N", "expected `,` or `)` at byte 5"),
        ("\"N", "expected a closing quote at byte 2"),
        ("\"\\n\"", "expected `\"`, `\\` or `u{` after `\\` at byte 2"),
        ("\"\\u{d800}\"", "expected the hexadecimal code of a character and `}` at byte 8"),
        ("N+?", "expected digits after `?` at byte 3"),
        ("18446744073709551616", "number does not fit 64 bits at byte 0"),
        ("N//0", "expression has no value, overflows or is too complex at byte 4"),
        ("bcast(2,3)", "expression has no value, overflows or is too complex at byte 9"),
        ("9223372036854775807*N*2", "expression has no value, overflows or is too complex at byte 23"),
        ("1-2", "size is the negative number -1, expected at least 0 at byte 0"),
    ];
    for (text, message) in table {
        assert_eq!(text.parse::<Dim>().map_err(|error| error.to_string()), Err(message.into()), "{text}");
    }
    assert!("[N,3".parse::<Shape>().is_err());
    assert!("[N 3]".parse::<Shape>().is_err());
}

#[test]
fn hostile_texts_end_quickly() {
    let texts = [
        "(".repeat(1 << 20),
        "-".repeat(1 << 19),
        "min(".repeat(1 << 17),
        "N*".repeat(1 << 18),
        (0..1 << 16).map(|n| format!("a{n}+")).collect(),
        "(a+b+c+d+e+f+g+h+i+j+k+l)*".repeat(1000),
        "(N+1)//M*".repeat(50_000),
        format!("N{}", "*2+N".repeat(1 << 17)),
        format!("N{}", "//3%7".repeat(1 << 16)),
        (0..1 << 14).fold("a".into(), |text, n| text + &format!("-min(b{},c)", n % 40)),
        format!("[{}1]", "N,".repeat(1 << 18)),
        "1".repeat(1 << 20),
        "[".into(),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        assert!(text.parse::<Shape>().is_err());
        let _ = text.parse::<Dim>();
        assert!(start.elapsed().as_secs() < 5, "{:.40} took {:?}", text, start.elapsed());
    }
}
