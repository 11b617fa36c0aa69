//! The cost optimizer of the specification (§5, "Cost Optimizer"): given a workload, what each layer costs a month on each cloud, and
//! which placement of the layers is the cheapest.
//!
//! The model is that of the existing optimizer of digital twins over several clouds, so that both come to the same total: prices are
//! list prices per unit, a month has 30 days, and a layer's cost is the sum of the services that it uses. Data that crosses from one
//! cloud to another is paid by its source (egress) and received by a function at its destination (glue); the functions that move data
//! from hot to cool and to archive storage are paid as well.
//!
//! There is no I/O, no clock and no async here: a [`Workload`] and a [`Catalogue`] go in, an [`Outcome`] comes out.
//!
//! ```
//! use twin_cost::{Catalogue, Constraints, Workload, optimize};
//! use twin_contract::Timestamp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let catalogue = Catalogue::built_in()?;
//! let workload = Workload::parse(
//!     r#"{
//!         "numberOfDevices": 20, "deviceSendingIntervalInMinutes": 60, "averageSizeOfMessageInKb": 3,
//!         "hotStorageDurationInMonths": 1, "coolStorageDurationInMonths": 3, "archiveStorageDurationInMonths": 6,
//!         "needs3DModel": false, "entityCount": 5, "amountOfActiveEditors": 1, "amountOfActiveViewers": 0,
//!         "dashboardRefreshesPerHour": 0, "dashboardActiveHoursPerDay": 0, "awsTwinMakerPlan": "STANDARD"
//!     }"#,
//!     Timestamp::from_micros(0),
//! )?;
//! let outcome = optimize(&workload, &catalogue, &Constraints::default())?;
//! assert_eq!(outcome.winner.placement.id(), "gcp|aws|aws|aws|azure|azure|aws");
//! assert_eq!(outcome.total_usd(), 9.26);
//! # Ok(())
//! # }
//! ```

mod catalogue;
mod constraints;
mod error;
mod functions;
mod layers;
mod months;
mod optimize;
mod placement;
mod transfer;
mod warnings;
mod workload;

pub use self::{
    catalogue::{Catalogue, CatalogueError},
    constraints::Constraints,
    error::CostError,
    layers::{Component, Layer, LayerPrice, LayerPrices, UnknownLayer, Unsupported},
    optimize::{Outcome, Path, WhatIf, optimize},
    placement::Placement,
    transfer::{Edge, EdgeCost, MoverCost},
    warnings::Warning,
    workload::{Currency, FieldError, TwinMakerPlan, Workload, WorkloadError},
};
