//! What the cases find wrong with a descriptor.

use bonafide_core::{AllowedRequest, BaseUrl, Destination, Failure, Outcome};
use bonafide_testkit::cases::*;

use super::*;

/// A provider that never asks, with this about its descriptor.
macro_rules! described {
    ($name:ident, $($field:ident: $value:expr),+) => {
        struct $name;

        #[async_trait]
        impl Provider for $name {
            type Settings = Settings;

            const DESCRIPTOR: Descriptor = {
                let mut descriptor = Careless::DESCRIPTOR;
                $(descriptor.$field = $value;)+
                descriptor
            };

            async fn validate(&self, _: &Context, _: &Settings) -> Result<Outcome, Failure> {
                Ok(Outcome::valid())
            }
        }
    };
}

/// Makes a provider of the tests with these interactions.
macro_rules! documented {
    ($name:ident, $first:expr $(, $other:expr)*) => {
        described!($name, interactions: concat!("[", $first $(, ",", $other)*, "]"));
    };
}

described!(Untitled, title: "");
described!(Indented, title: " Careless");
described!(Nowhere, destination: Destination::Fixed(&[]));
described!(
    Doubled,
    destination: Destination::Fixed(&[
        BaseUrl::region("europe", "https://eu.example.com"),
        BaseUrl::region("europe", "https://us.example.com"),
    ])
);
described!(Asking, requests: &[]);
const PUT: AllowedRequest = {
    let mut request = AllowedRequest::get("/v1/me", "harmless");
    request.method = "PUT";
    request
};

described!(
    Allowing,
    requests: &[
        PUT,
        AllowedRequest::get("/v1/me?all=1", " "),
        AllowedRequest::get("/v1/me?all=1", "reads the account"),
    ]
);

described!(
    Choosing,
    destination: Destination::Fixed(&[
        BaseUrl::main("https://api.{}.example.com"),
        BaseUrl::service("token_base_url", "https://token.example.com").with_hosts(&["eu"]),
        BaseUrl::region("eu_base_url", "https://{}.example.com").with_hosts(&["evil.example/"]),
    ]),
    requests: &[
        AllowedRequest::get("/v1/*.json", "reads the account"),
        AllowedRequest::post("/token", "mints a token").with_base_url("eu_base_url"),
    ]
);

#[test]
fn names() {
    assert_eq!(the_id_is_a_number(&Careless), Ok(()));
    fails(the_id_is_a_number(&Open), &["the id `ten`", "write decimal digits"]);
    assert_eq!(the_name_can_be_a_configuration_key(&Careless), Ok(()));
    fails(
        the_name_can_be_a_configuration_key(&Open),
        &["the name `Open`", "use lower-case letters"],
    );
    assert_eq!(the_title_can_begin_a_sentence(&Careless), Ok(()));
    fails(the_title_can_begin_a_sentence(&Untitled), &["write the provider's name"]);
    fails(the_title_can_begin_a_sentence(&Indented), &["write the provider's name"]);
}

#[test]
fn base_urls() {
    assert_eq!(each_base_url_has_its_key(&Careless), Ok(()));
    assert_eq!(each_base_url_has_its_key(&Clear), Ok(()), "it has none");
    fails(each_base_url_has_its_key(&Nowhere), &["give it the key `base_url`"]);
    fails(
        each_base_url_has_its_key(&Doubled),
        &[
            "has another key",
            "two base URLs have the key `europe`",
            "does not end with `_base_url`",
        ],
    );
    assert_eq!(each_base_url_is_encrypted_and_bare(&Careless), Ok(()));
    fails(
        each_base_url_is_encrypted_and_bare(&Open),
        &["is no `https://` URL", "no slash at the end"],
    );
    fails(
        each_base_url_is_encrypted_and_bare(&Choosing),
        &[
            "`https://api.{}.example.com` must hold `{}` once where",
            "`https://token.example.com` must hold `{}` once where",
            "the list of hosts of `https://{}.example.com` holds more than letters",
        ],
    );
}

#[test]
fn allowed_requests() {
    assert_eq!(the_allowed_requests_are_well_formed(&Careless), Ok(()));
    fails(the_allowed_requests_are_well_formed(&Asking), &["list in `requests`"]);
    fails(
        the_allowed_requests_are_well_formed(&Allowing),
        &[
            "`PUT /v1/me` is neither a `GET` nor a `POST`",
            "`/v1/me?all=1` covers no request",
            "`GET /v1/me?all=1` is allowed twice",
        ],
    );
    fails(
        the_allowed_requests_are_well_formed(&Choosing),
        &["`/v1/*.json` covers no request", "`POST /token` is for `eu_base_url`, which is not a"],
    );
    assert_eq!(each_allowed_request_has_its_reason(&Careless), Ok(()));
    fails(
        each_allowed_request_has_its_reason(&Allowing),
        &["`PUT /v1/me` does not say why it is harmless", "`GET /v1/me?all=1` does not say"],
    );
    assert_eq!(each_allowed_request_is_in_an_interaction(&Curious), Ok(()));
    fails(
        each_allowed_request_is_in_an_interaction(&Careless),
        &["`GET /v1/you` is allowed, but no interaction shows it"],
    );
}
