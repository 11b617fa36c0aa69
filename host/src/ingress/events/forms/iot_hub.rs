//! A reading of a device that IoT Hub received: the data of Event Grid's `Microsoft.Devices.DeviceTelemetry`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::FormError;

/// The type of the event.
pub(super) const TELEMETRY: &str = "Microsoft.Devices.DeviceTelemetry";

#[derive(Deserialize)]
struct Telemetry<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    #[serde(rename = "systemProperties")]
    system: SystemProperties,
}

#[derive(Deserialize)]
struct SystemProperties {
    /// Set by IoT Hub; the device cannot change it.
    #[serde(rename = "iothub-connection-device-id")]
    device: String,
}

/// The device that IoT Hub authenticated, and its message.
///
/// IoT Hub passes a message on as base64, unless the device declares it to be JSON in UTF-8, UTF-16 or UTF-32; then the
/// message is part of the event. A text that is not base64 is such a message, too.
pub(super) fn read(data: &[u8]) -> Result<(String, Vec<u8>), FormError> {
    let telemetry: Telemetry<'_> = serde_json::from_slice(data)?;
    let body = telemetry.body.get();
    let decoded = match body.starts_with('"') {
        true => {
            let text: String = serde_json::from_str(body)?;
            STANDARD.decode(text).ok()
        }
        false => None,
    };
    let message = decoded.unwrap_or_else(|| body.as_bytes().to_vec());
    Ok((telemetry.system.device, message))
}
