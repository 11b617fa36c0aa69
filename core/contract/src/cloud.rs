//! The three kinds of names in an envelope (spec §3): cloud, layer and message type.

use std::{fmt, str::FromStr};

use crate::ContractError;

macro_rules! word {
    (
        $(#[$doc:meta])* $name:ident, field $field:literal, expected $expected:literal,
        { $($(#[$variant_doc:meta])* $variant:ident = $text:literal $(| $alias:literal)*),+ $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All values.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that is used in an envelope.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = ContractError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text $(| $alias)* => Ok(Self::$variant),)+
                    _ => Err(ContractError::FieldInvalid { field: $field, expected: $expected }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

word! {
    /// A cloud. `google`, which deployers write for `gcp`, is accepted on input and never written.
    Cloud, field "source_cloud", expected "\"aws\", \"azure\" or \"gcp\"",
    {
        /// Amazon Web Services.
        Aws = "aws",
        /// Microsoft Azure.
        Azure = "azure",
        /// Google Cloud Platform.
        Gcp = "gcp" | "google",
    }
}

word! {
    /// The layer that receives an envelope.
    Layer, field "target_layer", expected "\"L2\" or \"L3\"",
    {
        /// Processing.
        L2 = "L2",
        /// Storage.
        L3 = "L3",
    }
}

word! {
    /// What kind of message an envelope carries.
    MessageType, field "message_type", expected "\"telemetry\", \"event\" or \"command\"",
    {
        /// A reading of a device.
        Telemetry = "telemetry",
        /// Something that happened.
        Event = "event",
        /// Something that a device should do.
        Command = "command",
    }
}
