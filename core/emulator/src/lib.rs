#![doc = include_str!("../README.md")]

mod authority;
mod emulator;
mod error;
mod http;
mod record;
mod sandbox;
mod serve;
mod smtp;
mod template;

pub use crate::authority::{Authority, Certificate};
pub use crate::emulator::Emulator;
pub use crate::error::EmulatorError;
pub use crate::record::{AnsweredBy, RecordedRequest, Stage};
pub use crate::sandbox::Sandbox;
