//! The names of functions that Azure Functions has for triggers: the host expects them, and packages describe them.

/// The function for the readings that IoT Hub publishes through Event Grid.
pub const TELEMETRY_FUNCTION: &str = "telemetry-events";
/// The function for the system errors that the twin's hosts publish on their topic of Event Grid.
pub const ERRORS_FUNCTION: &str = "system-error-events";
