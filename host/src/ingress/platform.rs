//! Which function platform runs this process, as its variables say.

use std::fmt;

/// A function platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Azure Functions, with this program as the custom handler: [`super::azure_functions`].
    AzureFunctions,
    /// Cloud Run, and what else implements Knative's container contract. It needs no paths of its own: Pub/Sub and Eventarc
    /// deliver to the paths for events that every host has.
    CloudRun,
    /// AWS Lambda, as a custom runtime: the module `lambda`, with the cargo feature `aws`. The process asks for what it is to do.
    Lambda,
}

impl Platform {
    const ALL: [Self; 3] = [Self::Lambda, Self::AzureFunctions, Self::CloudRun];

    /// The platform whose variable is set.
    pub(crate) fn of(is_set: impl Fn(&str) -> bool) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|platform| is_set(platform.variable()))
    }

    /// The variable that it alone sets.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::AzureFunctions => "FUNCTIONS_CUSTOMHANDLER_PORT",
            Self::CloudRun => "K_SERVICE",
            Self::Lambda => "AWS_LAMBDA_RUNTIME_API",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AzureFunctions => "Azure Functions",
            Self::CloudRun => "Cloud Run",
            Self::Lambda => "Lambda",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_of_a_platform_decides() {
        for (set, expected) in [
            (&[][..], None),
            (&["FUNCTIONS_WORKER_RUNTIME", "PORT"], None),
            (
                &["FUNCTIONS_CUSTOMHANDLER_PORT"],
                Some(Platform::AzureFunctions),
            ),
            (&["K_SERVICE", "PORT"], Some(Platform::CloudRun)),
            (&["AWS_LAMBDA_FUNCTION_NAME"], None),
            (&["AWS_LAMBDA_RUNTIME_API"], Some(Platform::Lambda)),
            (
                &["K_SERVICE", "FUNCTIONS_CUSTOMHANDLER_PORT"],
                Some(Platform::AzureFunctions),
            ),
        ] {
            assert_eq!(Platform::of(|name| set.contains(&name)), expected);
        }
    }
}
