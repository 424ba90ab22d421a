//! What the cases find wrong with documented exchanges.

use bonafide_testkit::cases::*;

use super::*;

/// An exchange with this name and this key, and these members more.
macro_rules! exchange {
    ($name:literal, $key:literal, $members:literal) => {
        concat!(
            r#"{"name": ""#,
            $name,
            r#"", "title": "For the test", "source": "inferred: for the test",
               "dialogue": [{"request": {"method": "GET", "path": "/v1/me"}, "answer": {"status": 200}}],
               "settings": {"api_key": ""#,
            $key,
            r#""}, "#,
            $members,
            "}"
        )
    };
}

documented!(
    SameNames,
    exchange!("works", "sandbox-1", r#""verdict": {}"#),
    exchange!("works", "sandbox-2", r#""verdict": {}"#)
);
documented!(
    Contradicting,
    exchange!("works", "sandbox-1", r#""verdict": {"pointer": "/settings/api_key"}"#),
    exchange!("fails", "sandbox-2", r#""verdict": {"cause": "internal", "data": 1}"#)
);
documented!(Mailing, exchange!("works", "sandbox-1", r#""smtp": {}, "verdict": {}"#));
documented!(
    MadeUp,
    exchange!("word", "The-Sandbox-key", r#""verdict": {}"#),
    exchange!("same", "k0000-9f3b7a", r#""verdict": {}"#),
    exchange!("row", "abcd efgh ijkl", r#""verdict": {}"#),
    exchange!("short", "9f3b7", r#""verdict": {}"#)
);
documented!(Revealing, exchange!("works", "9f3b7a6e21c84d05b7a93f6e", r#""verdict": {}"#));
documented!(
    Catching,
    exchange!("works", "sandbox-1", r#""verdict": {}"#),
    exchange!("fails", "sandbox-2", r#""verdict": {"cause": "not_found"}, "otherwise": true"#)
);
documented!(
    CatchingTwice,
    exchange!("works", "sandbox-1", r#""verdict": {}, "otherwise": true"#),
    exchange!("fails", "sandbox-2", r#""verdict": {"cause": "not_found"}, "otherwise": true"#)
);
documented!(Passing, exchange!("works", "sandbox-1", r#""verdict": {}, "otherwise": true"#));

#[test]
fn each_by_itself() {
    assert_eq!(each_exchange_has_a_name_of_its_own(&Careless), Ok(()));
    fails(
        each_exchange_has_a_name_of_its_own(&Undocumented),
        &["exchange `Bad name`: the name is not made of lower-case words"],
    );
    fails(
        each_exchange_has_a_name_of_its_own(&SameNames),
        &["exchange `works`: the name is taken twice"],
    );
    assert_eq!(each_exchange_is_titled(&Careless), Ok(()));
    fails(each_exchange_is_titled(&Undocumented), &["the title is empty: say what"]);
    assert_eq!(each_exchange_names_its_source(&Careless), Ok(()));
    fails(each_exchange_names_its_source(&Undocumented), &["neither an `https://` URL nor"]);
    assert_eq!(each_documented_verdict_can_be_reached(&Careless), Ok(()));
    fails(
        each_documented_verdict_can_be_reached(&Undocumented),
        &["there is no cause `no_such_cause`", "there is no warning `no_such_warning`"],
    );
    fails(
        each_documented_verdict_can_be_reached(&Contradicting),
        &["can have neither `pointer` nor `retry_after`", "can have neither data nor warnings"],
    );
    assert_eq!(each_pointer_leads_to_a_field(&Careless), Ok(()));
    fails(each_pointer_leads_to_a_field(&Undocumented), &["`/settings/token` leads to no field"]);
    assert_eq!(each_step_can_be_played(&Careless), Ok(()));
    fails(
        each_step_can_be_played(&Undocumented),
        &[
            "`region` is not the key",
            "neither `GET` nor `POST`",
            "does not begin with `/`",
            "`{token}` names no field",
        ],
    );
    fails(each_step_can_be_played(&Mailing), &["use `dialogue`"]);
    assert_eq!(each_exchange_is_played_where_somebody_is_asked(&Careless), Ok(()));
    fails(
        each_exchange_is_played_where_somebody_is_asked(&Undocumented),
        &["nobody is asked", "refused before the provider is asked"],
    );
}

#[test]
fn sample_secrets() {
    assert_eq!(each_sample_secret_is_made_up(&MadeUp), Ok(()));
    let result = each_sample_secret_is_made_up(&Revealing);
    fails(result.clone(), &["exchange `works`: the `api_key` looks like somebody's: make one up"]);
    assert!(!result.unwrap_err().contains("9f3b7a"));
}

#[test]
fn all_together() {
    assert_eq!(an_exchange_leads_to_a_pass(&Careless), Ok(()));
    fails(an_exchange_leads_to_a_pass(&Undocumented), &["no exchange leads to a pass: document"]);
    assert_eq!(an_exchange_shows_refused_credentials(&Careless), Ok(()));
    fails(
        an_exchange_shows_refused_credentials(&Undocumented),
        &["no exchange shows refused credentials: document"],
    );
    assert_eq!(an_exchange_answers_unknown_credentials(&Catching), Ok(()));
    fails(an_exchange_answers_unknown_credentials(&Careless), &["0 exchanges answer whatever"]);
    fails(
        an_exchange_answers_unknown_credentials(&CatchingTwice),
        &["2 exchanges answer whatever"],
    );
    fails(
        an_exchange_answers_unknown_credentials(&Passing),
        &["exchange `works` answers whatever no other is for, and is no rejection"],
    );
}

#[test]
fn their_verdicts() {
    assert_eq!(each_exchange_leads_to_its_verdict_alone(&subject(&Careless)), Ok(()));
    fails(
        each_exchange_leads_to_its_verdict_alone(&subject(&Hasty)),
        &["exchange `works` documents a pass, but the check says `provider_unavailable`"],
    );
    assert_eq!(each_exchange_leads_to_its_verdict_among_all(&Careless), Ok(()));
    fails(
        each_exchange_leads_to_its_verdict_among_all(&DeadStep),
        &["exchange `shadowed` documents `invalid_credentials`", "another exchange answers"],
    );
    assert_eq!(each_step_comes_up(&subject(&Careless)), Ok(()));
    fails(each_step_comes_up(&subject(&DeadStep)), &["exchange `works`: step 2 never comes up"]);
    fails(
        each_step_comes_up(&subject(&Shrugging)),
        &["exchange `refused`: `smtp.greeting` never comes up", "`smtp.auth`", "the server never"],
    );
}
