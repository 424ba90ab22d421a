//! The schemas of the linked providers' settings, in the forms that tools take.

mod naming;

pub(crate) use self::naming::Named;
