//! The cost of finding a provider when many are registered.

use std::hint::black_box;
use std::str;
use std::time::Instant;

use bonafide_core::ProviderValidator;
use bonafide_core::host::Registration;
use bonafide_core::prelude::*;
use bonafide_registry::Registry;

use crate::Result;

const LOOK_UPS: u32 = 200_000;

/// A provider that is never asked. The three digits tell one from the other.
struct Numbered<const A: u8, const B: u8, const C: u8>;

#[derive(Deserialize, JsonSchema)]
struct NoSettings {}

impl<const A: u8, const B: u8, const C: u8> Numbered<A, B, C> {
    const ID: [u8; 4] = [b'9', b'0' + A, b'0' + B, b'0' + C];
    const NAME: [u8; 4] = [b'p', b'0' + A, b'0' + B, b'0' + C];

    const fn text(ascii: &'static [u8]) -> &'static str {
        match str::from_utf8(ascii) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

#[async_trait]
impl<const A: u8, const B: u8, const C: u8> Provider for Numbered<A, B, C> {
    type Settings = NoSettings;

    const DESCRIPTOR: Descriptor = Descriptor::new(
        Self::text(&Self::ID),
        Self::text(&Self::NAME),
        ProviderType::Sms,
        "Numbered",
    )
    .with_user_supplied_host();

    async fn validate(&self, _: &Context, _: &NoSettings) -> Result<Outcome, Failure> {
        Err(Failure::internal("it is never asked"))
    }
}

/// A registration for every combination of three digits from these lists.
macro_rules! registrations {
    ($($a:literal)*) => {
        vec![$(registrations!(@a $a: 0 1 2 3 4 5 6 7)),*].concat()
    };
    (@a $a:literal: $($b:literal)*) => {
        vec![$(registrations!(@b $a $b: 0 1 2 3 4 5 6 7)),*].concat()
    };
    (@b $a:literal $b:literal: $($c:literal)*) => {
        vec![$(&Numbered::<$a, $b, $c> as &'static dyn ProviderValidator),*]
    };
}

/// Finds providers among some of the registered ones.
pub(crate) struct LookUp {
    registry: Registry,
    ids: Vec<&'static str>,
}

impl LookUp {
    /// Among so many, 256 at most.
    pub(crate) fn among(count: usize) -> Result<Self> {
        let providers = registrations!(0 1 2 3);
        let registrations: Vec<Registration> = providers
            .into_iter()
            .take(count)
            .map(|provider| Registration::new(provider, "bonafide-bench", "0.0.0"))
            .collect();
        let registry = Registry::from_registrations(&registrations)?;
        let ids = registry.descriptors().map(|descriptor| descriptor.id).collect();
        Ok(Self { registry, ids })
    }

    /// Nanoseconds for one, on average over many.
    pub(crate) fn nanoseconds(&self) -> f64 {
        let start = Instant::now();
        // A stride that meets every one of them in no order that a cache could guess.
        let mut place = 0;
        let mut found = 0_u32;
        for _ in 0..LOOK_UPS {
            place = (place + 7919) % self.ids.len();
            let id = self.ids.get(place).copied().unwrap_or_default();
            found += u32::from(self.registry.get(black_box(id)).is_some());
        }
        assert_eq!(black_box(found), LOOK_UPS, "every one of them is registered");
        start.elapsed().as_nanos() as f64 / f64::from(LOOK_UPS)
    }
}
