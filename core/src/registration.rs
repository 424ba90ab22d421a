//! The registration of providers through `inventory`.

use std::fmt;

use crate::provider::ProviderValidator;

/// A provider as `inventory` collects it. Made by [`register_provider!`](crate::register_provider).
pub struct Registration {
    validator: &'static dyn ProviderValidator,
    crate_name: &'static str,
    version: &'static str,
}

impl Registration {
    /// A registration of `validator`, made in the crate `crate_name` of this version.
    pub const fn new(
        validator: &'static dyn ProviderValidator,
        crate_name: &'static str,
        version: &'static str,
    ) -> Self {
        Self { validator, crate_name, version }
    }

    /// The provider.
    pub fn validator(&self) -> &'static dyn ProviderValidator {
        self.validator
    }

    /// The name of the crate that registered it.
    pub fn crate_name(&self) -> &'static str {
        self.crate_name
    }

    /// The version of that crate, which is the version of its published schema.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Every registration in this program, in no particular order.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        inventory::iter::<Self>.into_iter()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registration")
            .field("descriptor", self.validator.descriptor())
            .field("crate_name", &self.crate_name)
            .field("version", &self.version)
            .finish()
    }
}

inventory::collect!(Registration);

/// Registers a provider with every program that its crate is linked into.
///
/// One line in the crate, with the provider's unit struct: `register_provider!(SendGrid);`. The program still has
/// to name the crate once, `use bonafide_sendgrid as _;`, or the linker leaves it out.
#[macro_export]
macro_rules! register_provider {
    ($provider:expr) => {
        $crate::inventory::submit! {
            $crate::host::Registration::new(
                &$provider,
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_VERSION"),
            )
        }
    };
}
