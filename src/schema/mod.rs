//! The schemas of the linked providers' settings, in the forms that tools take, and what has changed in them.

pub(crate) mod baseline;
pub(crate) mod compare;
pub(crate) mod export;
mod naming;
pub(crate) mod typescript;

pub(crate) use self::naming::Named;
