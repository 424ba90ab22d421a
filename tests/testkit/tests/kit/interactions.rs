//! What the cases find wrong with documented interactions.

use bonafide_testkit::cases::*;

use super::*;

/// An interaction with this name and this key, and these members more.
macro_rules! interaction {
    ($name:literal, $key:literal, $members:literal) => {
        concat!(
            r#"{"name": ""#,
            $name,
            r#"", "title": "For the test", "source": "inferred: for the test",
               "steps": [{"request": {"method": "GET", "path": "/v1/me"}, "response": {"status": 200}}],
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
    interaction!("works", "sandbox-1", r#""expected": {}"#),
    interaction!("works", "sandbox-2", r#""expected": {}"#)
);
documented!(
    Contradicting,
    interaction!("works", "sandbox-1", r#""expected": {"pointer": "/settings/api_key"}"#),
    interaction!("fails", "sandbox-2", r#""expected": {"cause": "internal", "data": 1}"#)
);
documented!(Mailing, interaction!("works", "sandbox-1", r#""smtp": {}, "expected": {}"#));
documented!(
    MadeUp,
    interaction!("word", "The-Sandbox-key", r#""expected": {}"#),
    interaction!("same", "k0000-9f3b7a", r#""expected": {}"#),
    interaction!("row", "abcd efgh ijkl", r#""expected": {}"#),
    interaction!("short", "9f3b7", r#""expected": {}"#)
);
documented!(Revealing, interaction!("works", "9f3b7a6e21c84d05b7a93f6e", r#""expected": {}"#));
documented!(
    Catching,
    interaction!("works", "sandbox-1", r#""expected": {}"#),
    interaction!("fails", "sandbox-2", r#""expected": {"cause": "not_found"}, "fallback": true"#)
);
documented!(
    CatchingTwice,
    interaction!("works", "sandbox-1", r#""expected": {}, "fallback": true"#),
    interaction!("fails", "sandbox-2", r#""expected": {"cause": "not_found"}, "fallback": true"#)
);
documented!(
    Choosing,
    r#"{"name": "fails", "title": "For the test", "source": "inferred: for the test", "fallback": true,
        "steps": [{"request": {"method": "POST", "path": "/key{api_key}", "body": {"keys": ["{api_key}"]}},
                   "response": {"status": 404}}],
        "settings": {"api_key": "sandbox-1"}, "expected": {"cause": "not_found"}}"#
);
documented!(Passing, interaction!("works", "sandbox-1", r#""expected": {}, "fallback": true"#));

#[test]
fn each_by_itself() {
    assert_eq!(each_interaction_has_a_name_of_its_own(&Careless), Ok(()));
    fails(
        each_interaction_has_a_name_of_its_own(&Undocumented),
        &["interaction `Bad name`: the name is not made of lower-case words"],
    );
    fails(
        each_interaction_has_a_name_of_its_own(&SameNames),
        &["interaction `works`: the name is taken twice"],
    );
    assert_eq!(each_interaction_is_titled(&Careless), Ok(()));
    fails(each_interaction_is_titled(&Undocumented), &["the title is empty: say what"]);
    assert_eq!(each_interaction_names_its_source(&Careless), Ok(()));
    fails(each_interaction_names_its_source(&Undocumented), &["neither an `https://` URL nor"]);
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
    assert_eq!(each_step_can_be_replayed(&Careless), Ok(()));
    fails(
        each_step_can_be_replayed(&Undocumented),
        &[
            "`base_url` is not the key",
            "neither `GET` nor `POST`",
            "does not begin with `/`",
            "`{token}` names no field",
        ],
    );
    fails(each_step_can_be_replayed(&Mailing), &["use `steps`"]);
    assert_eq!(each_interaction_has_the_steps_that_its_settings_need(&Careless), Ok(()));
    fails(
        each_interaction_has_the_steps_that_its_settings_need(&Undocumented),
        &["nobody is asked", "refused before the provider is asked"],
    );
}

#[test]
fn sample_secrets() {
    assert_eq!(each_sample_secret_is_made_up(&MadeUp), Ok(()));
    let result = each_sample_secret_is_made_up(&Revealing);
    fails(
        result.clone(),
        &["interaction `works`: the `api_key` looks like somebody's: make one up"],
    );
    assert!(!result.unwrap_err().contains("9f3b7a"));
}

#[test]
fn all_together() {
    assert_eq!(an_interaction_leads_to_a_pass(&Careless), Ok(()));
    fails(
        an_interaction_leads_to_a_pass(&Undocumented),
        &["no interaction leads to a pass: document"],
    );
    assert_eq!(an_interaction_shows_refused_credentials(&Careless), Ok(()));
    fails(
        an_interaction_shows_refused_credentials(&Undocumented),
        &["no interaction shows refused credentials: document"],
    );
    assert_eq!(an_interaction_answers_unknown_credentials(&Catching), Ok(()));
    fails(
        an_interaction_answers_unknown_credentials(&Careless),
        &["0 interactions answer whatever"],
    );
    fails(
        an_interaction_answers_unknown_credentials(&CatchingTwice),
        &["2 interactions answer whatever"],
    );
    fails(
        an_interaction_answers_unknown_credentials(&Passing),
        &["interaction `works` answers whatever no other is for, and is no rejection"],
    );
    fails(
        an_interaction_answers_unknown_credentials(&Choosing),
        &[
            "interaction `fails` answers whatever no other is for, but asks for one value of `api_key`",
            "but asks for one value of `api_key`",
        ],
    );
}

#[test]
fn their_verdicts() {
    assert_eq!(each_interaction_leads_to_its_verdict_alone(&subject(&Careless)), Ok(()));
    fails(
        each_interaction_leads_to_its_verdict_alone(&subject(&Hasty)),
        &["interaction `works` documents a pass, but the check says `provider_unavailable`"],
    );
    assert_eq!(each_interaction_leads_to_its_verdict_among_all(&Careless), Ok(()));
    fails(
        each_interaction_leads_to_its_verdict_among_all(&DeadStep),
        &["interaction `shadowed` documents `invalid_credentials`", "another interaction answers"],
    );
    assert_eq!(each_step_comes_up(&subject(&Careless)), Ok(()));
    fails(each_step_comes_up(&subject(&DeadStep)), &["interaction `works`: step 2 never comes up"]);
    fails(
        each_step_comes_up(&subject(&Shrugging)),
        &[
            "interaction `refused`: `smtp.greeting` never comes up",
            "`smtp.auth`",
            "the server never",
        ],
    );
}
