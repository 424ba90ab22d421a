//! The URL of a request, which is wiped: a segment of its path may be a secret.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::{Url, form_urlencoded};
use zeroize::Zeroize as _;

use crate::allowed_request::Segment;
use crate::failure::Failure;
use crate::wiped::WipedBuffer;

/// What a path segment of an HTTP URL cannot hold: <https://url.spec.whatwg.org/#path-percent-encode-set>, and `/`, `\` and
/// `%`.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'/')
    .add(b'\\')
    .add(b'%');

/// A URL below a base URL.
pub(super) struct RequestUrl<'a> {
    base: &'a Url,
    text: WipedBuffer,
    has_secret: bool,
}

impl<'a> RequestUrl<'a> {
    /// The base URL with these segments after its path.
    pub(super) fn new(base: &'a Url, path: &[Segment<'_>]) -> Self {
        let prefix = base.as_str().trim_end_matches('/');
        let parts = path.iter().flat_map(Segment::parts);
        let max_length = parts.map(str::len).sum::<usize>() * "%00".len() + path.len();
        let mut text = WipedBuffer::with_capacity(prefix.len() + max_length);
        text.push(prefix);
        for segment in path {
            text.push("/");
            let parts = segment.parts().into_iter();
            text.extend(parts.flat_map(|part| utf8_percent_encode(part, SEGMENT)));
        }
        Self { base, text, has_secret: path.iter().any(Segment::is_secret) }
    }

    /// Adds a pair to the query.
    pub(super) fn push_query(&mut self, name: &str, value: &str) {
        self.text.push(if self.text.as_str().contains('?') { "&" } else { "?" });
        push_pair(&mut self.text, name, value);
    }

    /// Takes the query of a link that leads to the same path on the same host; fails for any other link.
    pub(super) fn set_query_of(&mut self, link: &str) -> Result<(), Failure> {
        let current = self.parse()?;
        let prefix = self.base.path().trim_end_matches('/');
        let relative_path = current.path().strip_prefix(prefix).unwrap_or(current.path());
        let target = current.join(link).ok().filter(|target| {
            target.origin() == current.origin()
                && target.username().is_empty()
                && target.password().is_none()
                && (target.path() == current.path() || target.path() == relative_path)
        });
        wipe(current);
        let Some(target) = target else {
            return Err(Failure::unexpected_response()
                .with_note("the link to the next page leads away from the list"));
        };
        let path_end = self.text.as_str().find('?').unwrap_or(usize::MAX);
        self.text.truncate(path_end);
        if let Some(query) = target.query() {
            self.text.extend(["?", query]);
        }
        wipe(target);
        Ok(())
    }

    /// The URL as the HTTP client takes it.
    pub(super) fn to_url(&self) -> Result<Url, Failure> {
        if self.has_secret {
            // Parsed as a whole, so that the library makes one copy and no shorter ones while it grows.
            return self.parse();
        }
        // The host is known to be valid, and parsing it is what takes time.
        let mut url = self.base.clone();
        let origin = self.base.as_str().len() - self.base.path().len();
        let rest = self.text.as_str().get(origin..).unwrap_or_default();
        let (path, query) =
            rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        url.set_path(path);
        url.set_query(query);
        Ok(url)
    }

    fn parse(&self) -> Result<Url, Failure> {
        Url::parse(self.text.as_str())
            .map_err(|_| Failure::internal("the URL of the request is not valid"))
    }
}

/// Adds `name=value` as `application/x-www-form-urlencoded` has it, which is the form of a query too.
pub(super) fn push_pair(text: &mut WipedBuffer, name: &str, value: &str) {
    text.extend(form_urlencoded::byte_serialize(name.as_bytes()));
    text.push("=");
    text.extend(form_urlencoded::byte_serialize(value.as_bytes()));
}

fn wipe(url: Url) {
    String::from(url).zeroize();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ways_to_a_url_are_one(
            prefix in "(/[a-z0-9.]{1,3}){0,2}",
            path in proptest::collection::vec("[ -~\\PC]{1,5}", 1..4),
            query in proptest::collection::vec(("\\PC{0,4}", "[ -~\\PC]{0,5}"), 0..3),
        ) {
            let base = Url::parse(&format!("https://api.example.com{prefix}")).unwrap();
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            // What the list of allowed requests does not cover.
            prop_assume!(path.iter().all(|segment| !matches!(*segment, "." | "..")));
            let segments: Vec<Segment<'_>> = path.iter().map(Segment::from).collect();
            let mut url = RequestUrl::new(&base, &segments);
            let mut expected = base.clone();
            expected.path_segments_mut().unwrap().pop_if_empty().extend(&path);
            for (name, value) in &query {
                url.push_query(name, value);
                expected.query_pairs_mut().append_pair(name, value);
            }
            prop_assert_eq!(url.to_url().unwrap(), expected.clone());
            prop_assert_eq!(url.parse().unwrap(), expected);
        }
    }
}
