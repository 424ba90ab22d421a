//! The providers that the product ships with, one line each. Naming a crate is what links it in.

use bonafide_mailgun as _;
use bonafide_mandrill as _;
use bonafide_mitto as _;
use bonafide_sendgrid as _;
use bonafide_smtp as _;
use bonafide_twilio as _;
