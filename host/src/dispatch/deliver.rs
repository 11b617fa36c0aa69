//! Calls that the host makes itself for what a platform delivered.

use std::time::{Duration, Instant};

use super::{Call, Dispatch, traced::Traced};
use crate::{
    function::{self, FunctionName},
    telemetry::metrics,
};

impl Dispatch {
    /// Calls a function, and counts the call like a request. `limit` is how long the platform will wait, if that is shorter than
    /// the function's deadline.
    pub(crate) async fn deliver(
        &self,
        function: FunctionName,
        mut request: function::Request,
        limit: Option<Duration>,
    ) -> function::Response {
        let started = Instant::now();
        request.time_left_ms = u32::try_from(self.time_left(limit).as_millis()).ok();
        let mut trace = Traced::of_event(self.settings.tracer.as_ref(), function, &request);
        let scope = trace.begin(&mut request.headers, &request.body);
        let answer = self.call(Call {
            function,
            request,
            scope,
            under_way: self.under_way(),
        });
        let response = answer.await.unwrap_or_else(|refusal| refusal.response());
        trace.end(response.status);
        let cloud = self.settings.cloud;
        metrics::request(cloud, Some(function), response.status, started.elapsed());
        response
    }

    /// How long a function has.
    pub(super) fn time_left(&self, limit: Option<Duration>) -> Duration {
        let deadline = self.settings.function_deadline;
        limit.map_or(deadline, |limit| limit.min(deadline))
    }
}
