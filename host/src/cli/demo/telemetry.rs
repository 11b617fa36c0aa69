//! The readings: two stations' hourly temperatures, as two devices would send them.

use anyhow::Context;

/// One reading of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// The device.
    pub(super) device_id: &'static str,
    /// The time, in RFC 3339.
    pub(super) time: String,
    /// The temperature's digits, which must come back unchanged.
    pub(super) temperature: &'static str,
}

impl Reading {
    /// The message that the device sends.
    pub(super) fn to_json(&self) -> String {
        let Self {
            device_id,
            time,
            temperature,
        } = self;
        format!(r#"{{"iotDeviceId":"{device_id}","time":"{time}","temperature":{temperature}}}"#)
    }
}

/// All readings of both devices, alternating.
pub(super) fn readings() -> anyhow::Result<Vec<Reading>> {
    // One file has the time in the first column, the other in the last.
    let seattle = include_str!("../../../demo/seattle-temps.csv")
        .lines()
        .skip(1)
        .map(|line| reading("seattle", line.split_once(',')));
    let san_francisco = include_str!("../../../demo/sf-temps.csv")
        .lines()
        .skip(1)
        .map(|line| {
            reading(
                "san-francisco",
                line.split_once(',').map(|(value, date)| (date, value)),
            )
        });
    seattle
        .zip(san_francisco)
        .flat_map(|(one, other)| [one, other])
        .collect()
}

/// `2010/01/01 00:00` or `2010/01/01 00:00:00`, and a number.
fn reading(
    device_id: &'static str,
    fields: Option<(&'static str, &'static str)>,
) -> anyhow::Result<Reading> {
    let (date, temperature) = fields.context("a line of the telemetry has no comma")?;
    let (day, hour) = date
        .split_once(' ')
        .context("a date of the telemetry has no time")?;
    let seconds = if hour.len() == 5 { ":00" } else { "" };
    Ok(Reading {
        device_id,
        time: format!("{}T{hour}{seconds}Z", day.replace('/', "-")),
        temperature: temperature.trim(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_read_to_their_end() {
        let readings = readings().unwrap();
        assert_eq!(readings.len(), 2 * 8_759);
        assert_eq!(
            readings[0].to_json(),
            r#"{"iotDeviceId":"seattle","time":"2010-01-01T00:00:00Z","temperature":39.4}"#
        );
        assert_eq!(
            readings[1].to_json(),
            r#"{"iotDeviceId":"san-francisco","time":"2010-01-01T00:00:00Z","temperature":47.8}"#
        );
    }
}
