//! The functions of one cloud of one twin, running natively.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{sync::watch, time::timeout};
use twin_capabilities::function::{CallError, FunctionName, Functions, Request, Response};
use twin_tasks::DetachOnDrop;

use crate::{Capabilities, capabilities::Granted, function::Function};

/// How the functions run.
#[derive(Clone, Debug)]
pub struct NativeSettings {
    /// Instances of each function. Calls are distributed in turn; each instance has its own settings and view of the
    /// circuits.
    pub instances: usize,
    /// Calls of one function at once, over all instances. Further calls are refused as retryable.
    pub concurrent_calls: usize,
    /// How long a call may take. A function gets a shorter deadline and answers in time; this limit is for one that does
    /// not.
    pub deadline: Duration,
}

impl Default for NativeSettings {
    fn default() -> Self {
        Self {
            instances: 1,
            concurrent_calls: 10_240,
            deadline: Duration::from_secs(25),
        }
    }
}

/// The functions of one cloud of one twin, as native code.
#[derive(Debug)]
pub struct Native {
    functions: BTreeMap<FunctionName, Function>,
    draining: watch::Sender<bool>,
}

impl Native {
    /// Mounts these functions; `capabilities` returns what each can reach.
    #[must_use]
    pub fn new(
        functions: &[FunctionName],
        settings: &NativeSettings,
        capabilities: impl Fn(FunctionName) -> Capabilities,
    ) -> Self {
        let (draining, drained) = watch::channel(false);
        let mounted = |&function: &FunctionName| {
            let granted = Granted {
                function,
                capabilities: capabilities(function),
                draining: drained.clone(),
            };
            (function, Function::new(&granted, settings))
        };
        Self {
            functions: functions.iter().map(mounted).collect(),
            draining,
        }
    }

    /// Announces the end: deliveries that wait to retry become dead letters now. Calls are still accepted.
    pub fn begin_drain(&self) {
        self.draining.send_replace(true);
    }

    /// Accepts no more calls, and waits until those in progress have ended, or for `limit`. Returns whether all ended.
    #[must_use = "false if calls have not ended"]
    pub async fn stop(&self, limit: Duration) -> bool {
        self.begin_drain();
        let all = join_all(self.functions.values().map(Function::end));
        timeout(limit, all).await.is_ok()
    }
}

#[async_trait]
impl Functions for Native {
    fn is_mounted(&self, function: FunctionName) -> bool {
        self.functions.contains_key(&function)
    }

    async fn call(&self, function: FunctionName, request: Request) -> Result<Response, CallError> {
        let mounted = self.functions.get(&function);
        let mounted = mounted.ok_or(CallError::NotMounted(function))?;
        DetachOnDrop::of(mounted.begin(request)?).await
    }
}
