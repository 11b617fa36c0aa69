//! What every function component shares: the bindings of its imports, its two doors, and the words it replies in.
//!
//! A component implements [`Function`] and ends with [`export_function!`](crate::export_function). Everything it imports
//! but does not use is dropped when it is linked, so that its import list says what it really touches.

pub mod bindings;
#[path = "../../../core/functions/src/clock.rs"]
pub mod clock;
pub mod digest;
#[path = "../../../core/functions/src/events.rs"]
pub mod events;
#[path = "../../../core/functions/src/gate.rs"]
pub mod gate;
pub mod http_door;
#[path = "../../../core/functions/src/listing.rs"]
pub mod listing;
pub mod log;
#[path = "../../../core/functions/src/peer.rs"]
pub mod peer;
#[path = "../../../core/functions/src/reply.rs"]
pub mod reply;
#[path = "../../../core/functions/src/scope.rs"]
pub mod scope;
#[path = "../../../core/functions/src/settings.rs"]
pub mod settings;

pub use bindings::exports::twin::multicloud::function::{Guest as Function, Request, Response};

#[doc(hidden)]
pub use wasip3;

/// Opens both doors of a component: `twin:multicloud/function` for hosts that know it, `wasi:http/handler` for all others.
#[macro_export]
macro_rules! export_function {
    ($component:ident) => {
        /// The component, with each call in the scope of its request's id.
        struct Scoped;

        impl $crate::Function for Scoped {
            async fn handle(request: $crate::Request) -> $crate::Response {
                let id = $crate::scope::id_of(&request);
                $crate::scope::within(id, <$component as $crate::Function>::handle(request)).await
            }
        }

        $crate::bindings::export_functions!(Scoped with_types_in $crate::bindings);

        struct HttpDoor;

        impl $crate::wasip3::exports::http::handler::Guest for HttpDoor {
            async fn handle(
                request: $crate::wasip3::http::types::Request,
            ) -> Result<$crate::wasip3::http::types::Response, $crate::wasip3::http::types::ErrorCode> {
                $crate::http_door::handle::<Scoped>(request).await
            }
        }

        $crate::wasip3::http::service::export!(HttpDoor with_types_in $crate::wasip3);
    };
}
