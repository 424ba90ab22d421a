//! JSON that is read without building what is not needed.

mod json_str;
pub mod pointer;

pub use self::json_str::JsonStr;
