//! The trace that a caller is in, by the header `traceparent` of the W3C's Trace Context.

use axum::http::HeaderMap;
use uuid::Uuid;

/// Every version begins with `VERSION-TRACE_ID-PARENT_ID-FLAGS`.
const LENGTH: usize = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01".len();

/// The span of the caller that asks.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "opentelemetry"), expect(dead_code, reason = "only an export reads all"))]
pub(crate) struct TraceParent {
    pub(crate) trace_id: Uuid,
    pub(crate) span_id: u64,
    pub(crate) flags: u8,
}

/// Nothing where there is no header, or one that is not as the specification wants it.
pub(crate) fn read(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all("traceparent").iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (known, further) = only.as_bytes().split_at_checked(LENGTH)?;
    let mut parts = known.split(|byte| *byte == b'-');
    let version = hex(parts.next()?, 2)?;
    let trace_id = hex(parts.next()?, 32)?;
    let span_id = hex(parts.next()?, 16)?;
    let flags = hex(parts.next()?, 2)?;
    // A later version may go on behind a hyphen.
    let goes_on = version > 0 && further.starts_with(b"-");
    let is_valid = version != 0xff && trace_id != 0 && span_id != 0;
    let parent = TraceParent {
        trace_id: Uuid::from_u128(trace_id),
        span_id: u64::try_from(span_id).ok()?,
        flags: u8::try_from(flags).ok()?,
    };
    (is_valid && (further.is_empty() || goes_on)).then_some(parent)
}

/// A number of exactly as many lower-case hexadecimal digits.
fn hex(digits: &[u8], count: usize) -> Option<u128> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = Some(digits).filter(|digits| digits.len() == count)?;
    let digits = digits.iter().all(is_digit).then_some(digits)?;
    u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn trace_id(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_bytes(value).unwrap());
        }
        read(&headers).map(|parent| parent.trace_id.simple().to_string())
    }

    #[test]
    fn the_trace_id_is_taken_over() {
        for valid in [
            VALID,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-brings",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        ] {
            let id = trace_id(&[valid.as_bytes()]);
            assert_eq!(id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"), "{valid}");
        }
    }

    #[test]
    fn what_the_specification_does_not_allow_is_no_trace() {
        for invalid in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0101",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-701",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f35-77b3-4da6-a3ce-929d0e0e4736-00f067aa0ba9-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(&[invalid.as_bytes()]), None, "{invalid}");
        }
        assert_eq!(trace_id(&[]), None);
        assert_eq!(trace_id(&[VALID.as_bytes(), VALID.as_bytes()]), None, "one trace, not two");
        assert_eq!(trace_id(&[&[0xff; LENGTH]]), None);
    }

    proptest! {
        #[test]
        fn each_digit_counts(place in 0..LENGTH, byte in 0x20..0x7f_u8) {
            let mut changed = VALID.as_bytes().to_vec();
            changed[place] = byte;
            let taken = trace_id(&[&changed]);
            let is_digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let is_hyphen = VALID.as_bytes()[place] == b'-';
            prop_assert_eq!(taken.is_some(), if is_hyphen { byte == b'-' } else { is_digit });
            if let Some(id) = taken {
                prop_assert_eq!(id.as_bytes(), &changed[3..35]);
            }
        }

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(0x20..=0xff_u8, 0..80)) {
            let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != 0x7f).collect();
            if let Some(id) = trace_id(&[&bytes]) {
                prop_assert_eq!(id.as_bytes(), &bytes[3..35]);
            }
        }
    }
}
