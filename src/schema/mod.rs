//! The schemas of the linked providers' settings, in the forms that tools take.

pub(crate) mod export;
mod naming;
pub(crate) mod typescript;

pub(crate) use self::naming::Named;
