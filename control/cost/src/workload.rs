//! What a twin is to do: devices, messages, how long they are kept, and who looks at them.

use serde_json::{Map, Value};
use twin_contract::Timestamp;

use crate::layers::Unsupported;

/// How long an observation of an account's plan counts: 7 days in microseconds.
const PLAN_VALID: i64 = 7 * 24 * 3600 * 1_000_000;

/// A workload. The names in JSON are those of the existing optimizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// `numberOfDevices`
    pub devices: u64,
    /// `deviceSendingIntervalInMinutes`
    pub interval_minutes: f64,
    /// `averageSizeOfMessageInKb`, of 1024 bytes each
    pub message_kb: f64,
    /// `hotStorageDurationInMonths`
    pub hot_months: u32,
    /// `coolStorageDurationInMonths`
    pub cool_months: u32,
    /// `archiveStorageDurationInMonths`
    pub archive_months: u32,
    /// `entityCount`: things in the model of the twin
    pub entities: u64,
    /// `amountOfActiveEditors`
    pub editors: u64,
    /// `amountOfActiveViewers`
    pub viewers: u64,
    /// `dashboardRefreshesPerHour`
    pub refreshes_per_hour: u64,
    /// `dashboardActiveHoursPerDay`
    pub active_hours_per_day: u64,
    /// `apiCallsPerDashboardRefresh`
    pub calls_per_refresh: u64,
    /// `useEventChecking`
    pub checks_events: bool,
    /// `triggerNotificationWorkflow`
    pub triggers_workflow: bool,
    /// `returnFeedbackToDevice`
    pub returns_feedback: bool,
    /// `orchestrationActionsPerMessage`: transitions of a workflow, on AWS only
    pub orchestration_actions: u64,
    /// `numberOfDeviceTypes`
    pub device_types: u64,
    /// `numberOfEventActions`
    pub event_actions: u64,
    /// `eventTriggerRate`: the share of messages that are events
    pub event_rate: f64,
    /// `averageDigitalTwinQueryUnitsPerQuery`
    pub query_units: f64,
    /// `averageDigitalTwinQueryResponseSizeInKb`
    pub answer_kb: f64,
    /// `currency`
    pub currency: Currency,
    /// `awsTwinMakerPlan`, or `providerPricingContexts.awsTwinMaker`
    pub twin_maker: TwinMakerPlan,
}

/// The currency of a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Currency {
    /// US dollars.
    #[default]
    Usd,
    /// Euros.
    Eur,
}

/// What is known of the plan of an AWS account for IoT TwinMaker, which is an account's and not a twin's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TwinMakerPlan {
    /// Nothing.
    #[default]
    Unobserved,
    /// It was looked up more than 7 days ago.
    Stale,
    /// It is about to change.
    Pending,
    /// `BASIC`
    Basic,
    /// `STANDARD`: the only one with which L4 can be priced.
    Standard,
    /// `TIERED_BUNDLE`
    TieredBundle,
}

/// A field that is missing, unknown, or has a value that it cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its name.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// Why a text is not a workload: everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// It is not a JSON object.
    #[error("a workload must be a JSON object")]
    Json(#[from] serde_json::Error),
    /// Fields are wrong.
    #[error("the workload cannot be used: {}", listed(.0))]
    Fields(Vec<FieldError>),
}

fn listed(fields: &[FieldError]) -> String {
    let lines = fields
        .iter()
        .map(|error| format!("`{}` {}", error.field, error.problem));
    lines.collect::<Vec<_>>().join("; ")
}

impl Workload {
    /// Reads a workload. `now` decides whether an observation of a plan still counts.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self, WorkloadError> {
        let mut fields = Fields {
            left: serde_json::from_str(text)?,
            errors: Vec::new(),
        };
        let workload = fields.workload(now);
        let unknown: Vec<_> = fields.left.keys().cloned().collect();
        for field in unknown {
            fields.fail(&field, "is not known");
        }
        if fields.errors.is_empty() {
            Ok(workload)
        } else {
            Err(WorkloadError::Fields(fields.errors))
        }
    }
}

/// The fields that were not read yet, and what was wrong with the others.
struct Fields {
    left: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    fn fail(&mut self, field: &str, problem: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.to_owned(),
            problem: problem.into(),
        });
    }

    fn workload(&mut self, now: Timestamp) -> Workload {
        let workload = Workload {
            devices: self.whole("numberOfDevices", 1, u64::MAX, None),
            interval_minutes: self.positive("deviceSendingIntervalInMinutes", None),
            message_kb: self.positive("averageSizeOfMessageInKb", None),
            hot_months: self.months("hotStorageDurationInMonths", 1),
            cool_months: self.months("coolStorageDurationInMonths", 1),
            archive_months: self.months("archiveStorageDurationInMonths", 6),
            entities: self.whole("entityCount", 0, u64::MAX, None),
            editors: self.whole("amountOfActiveEditors", 0, u64::MAX, None),
            viewers: self.whole("amountOfActiveViewers", 0, u64::MAX, None),
            refreshes_per_hour: self.whole("dashboardRefreshesPerHour", 0, u64::MAX, None),
            active_hours_per_day: self.whole("dashboardActiveHoursPerDay", 0, 24, None),
            calls_per_refresh: self.whole("apiCallsPerDashboardRefresh", 1, u64::MAX, Some(1)),
            checks_events: self.flag("useEventChecking", Some(false)),
            triggers_workflow: self.flag("triggerNotificationWorkflow", Some(false)),
            returns_feedback: self.flag("returnFeedbackToDevice", Some(false)),
            orchestration_actions: self.whole(
                "orchestrationActionsPerMessage",
                1,
                u64::MAX,
                Some(3),
            ),
            device_types: self.whole("numberOfDeviceTypes", 1, u64::MAX, Some(1)),
            event_actions: self.whole("numberOfEventActions", 0, u64::MAX, Some(0)),
            event_rate: self.share("eventTriggerRate", 0.1),
            query_units: self.positive("averageDigitalTwinQueryUnitsPerQuery", Some(1.0)),
            answer_kb: self.positive("averageDigitalTwinQueryResponseSizeInKb", Some(1.0)),
            currency: self.currency(),
            twin_maker: self.plan(now),
        };
        // Accepted and without effect, as in the existing optimizer.
        self.flag("needs3DModel", None);
        self.positive("average3DModelSizeInMB", Some(100.0));
        self.whole("eventsPerMessage", 1, u64::MAX, Some(1));
        for refused in [
            "integrateErrorHandling",
            "allowGcpSelfHostedL4",
            "allowGcpSelfHostedL5",
        ] {
            if self.flag(refused, Some(false)) {
                self.fail(refused, "must be false: this is not a part of the model");
            }
        }
        match self.left.remove("optimizationProfileId") {
            None => {}
            Some(Value::String(profile)) if profile == "cost_minimization_v1" => {}
            Some(_) => self.fail("optimizationProfileId", "must be \"cost_minimization_v1\""),
        }
        self.in_order(&workload);
        workload
    }

    fn in_order(&mut self, workload: &Workload) {
        if workload.hot_months > workload.cool_months {
            self.fail(
                "coolStorageDurationInMonths",
                "must be at least `hotStorageDurationInMonths`",
            );
        }
        if workload.cool_months > workload.archive_months {
            self.fail(
                "archiveStorageDurationInMonths",
                "must be at least `coolStorageDurationInMonths`",
            );
        }
    }

    /// A value, or the default; without one, the field is required. What cannot be used is an error, and then the value does not
    /// matter.
    fn read<T: Default>(
        &mut self,
        field: &str,
        expected: &str,
        otherwise: Option<T>,
        read: impl Fn(&Value) -> Option<T>,
    ) -> T {
        match (self.left.remove(field), otherwise) {
            (None, Some(otherwise)) => otherwise,
            (None, None) => {
                self.fail(field, format!("is missing: {expected}"));
                T::default()
            }
            (Some(value), _) => read(&value).unwrap_or_else(|| {
                self.fail(field, format!("must be {expected}"));
                T::default()
            }),
        }
    }

    fn whole(&mut self, field: &str, least: u64, most: u64, otherwise: Option<u64>) -> u64 {
        let expected = if most == u64::MAX {
            format!("a whole number, at least {least}")
        } else {
            format!("a whole number from {least} to {most}")
        };
        self.read(field, &expected, otherwise, |value| {
            whole(value).filter(|value| (least..=most).contains(value))
        })
    }

    fn months(&mut self, field: &str, least: u32) -> u32 {
        let expected = format!("a whole number of months, at least {least}");
        self.read(field, &expected, None, |value| {
            let months = u32::try_from(whole(value)?).ok()?;
            (months >= least).then_some(months)
        })
    }

    fn positive(&mut self, field: &str, otherwise: Option<f64>) -> f64 {
        self.read(field, "a number above 0", otherwise, |value| {
            value.as_f64().filter(|value| *value > 0.0)
        })
    }

    fn share(&mut self, field: &str, otherwise: f64) -> f64 {
        self.read(field, "a number from 0 to 1", Some(otherwise), |value| {
            value.as_f64().filter(|value| (0.0..=1.0).contains(value))
        })
    }

    fn flag(&mut self, field: &str, otherwise: Option<bool>) -> bool {
        self.read(field, "true or false", otherwise, Value::as_bool)
    }

    fn currency(&mut self) -> Currency {
        let usd = Some(Currency::Usd);
        self.read("currency", "\"USD\" or \"EUR\"", usd, |value| {
            match value.as_str()? {
                "USD" => Some(Currency::Usd),
                "EUR" => Some(Currency::Eur),
                _ => None,
            }
        })
    }

    /// The short form, or what the existing management backend sends.
    fn plan(&mut self, now: Timestamp) -> TwinMakerPlan {
        const SHORT: &str = "awsTwinMakerPlan";
        const LONG: &str = "providerPricingContexts";
        let contexts = self.left.remove(LONG);
        if contexts.is_some() && self.left.contains_key(SHORT) {
            self.fail(SHORT, format!("must not be given together with `{LONG}`"));
        }
        if let Some(contexts) = contexts {
            return observed(contexts.get("awsTwinMaker"), now).unwrap_or_else(|problem| {
                self.fail("providerPricingContexts.awsTwinMaker", problem);
                TwinMakerPlan::Unobserved
            });
        }
        let expected = "\"BASIC\", \"STANDARD\" or \"TIERED_BUNDLE\"";
        let unobserved = Some(TwinMakerPlan::Unobserved);
        self.read(SHORT, expected, unobserved, |value| mode(value.as_str()?))
    }
}

/// A whole number, however it is written: `5` or `5.0`.
fn whole(value: &Value) -> Option<u64> {
    /// From here on not every whole number is one of a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        let is_whole = number.fract() == 0.0 && (0.0..=EXACT).contains(&number);
        is_whole.then(|| format!("{number:.0}").parse().ok())?
    })
}

fn mode(text: &str) -> Option<TwinMakerPlan> {
    match text {
        "BASIC" => Some(TwinMakerPlan::Basic),
        "STANDARD" => Some(TwinMakerPlan::Standard),
        "TIERED_BUNDLE" => Some(TwinMakerPlan::TieredBundle),
        _ => None,
    }
}

/// What an observation of the account's plan says.
fn observed(context: Option<&Value>, now: Timestamp) -> Result<TwinMakerPlan, &'static str> {
    let present = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    let Some(context) = context.filter(|context| !context.is_null()) else {
        return Ok(TwinMakerPlan::Unobserved);
    };
    let Some(plan) = context.get("currentPlan").filter(|plan| !plan.is_null()) else {
        return Ok(TwinMakerPlan::Unobserved);
    };
    let plan = plan.get("mode").and_then(Value::as_str).and_then(mode);
    let plan =
        plan.ok_or("`currentPlan.mode` must be \"BASIC\", \"STANDARD\" or \"TIERED_BUNDLE\"")?;
    let observed_at = context.get("observedAt").and_then(Value::as_str);
    let observed_at = observed_at.and_then(Timestamp::parse_with_offset);
    let observed_at = observed_at.ok_or("`observedAt` must be a time in RFC 3339")?;
    if now.as_micros() - observed_at.as_micros() > PLAN_VALID {
        return Ok(TwinMakerPlan::Stale);
    }
    if present(context.get("pendingPlan")) {
        return Ok(TwinMakerPlan::Pending);
    }
    Ok(plan)
}

impl TwinMakerPlan {
    /// Succeeds if L4 can be priced on AWS.
    pub(crate) const fn usable(self) -> Result<(), Unsupported> {
        match self {
            Self::Standard => Ok(()),
            Self::Unobserved => Err(Unsupported::PlanUnobserved),
            Self::Stale => Err(Unsupported::PlanStale),
            Self::Pending => Err(Unsupported::PlanPending),
            Self::Basic => Err(Unsupported::PlanBasic),
            Self::TieredBundle => Err(Unsupported::PlanBundle),
        }
    }
}
