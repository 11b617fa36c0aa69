//! Turns a function into a component: the bindings of its imports, their mapping to the capabilities that functions use
//! ([`Wit`]), and its two doors.
//!
//! A component is one line, [`export_function!`](crate::export_function) with the function's `handle`. Everything that it
//! imports but does not use is dropped when it is linked, so its import list shows what it really uses.

pub mod bindings;
mod convert;
pub mod http_door;
mod wit;

pub use bindings::exports::twin::multicloud::function::Guest as Door;
pub use twin_functions::Context;
pub use wit::Wit;

#[doc(hidden)]
pub use wasip3;

/// Exports both doors of a component: `twin:multicloud/function` for hosts that support it, `wasi:http/handler` for all others.
#[macro_export]
macro_rules! export_function {
    ($handle:path) => {
        static CONTEXT: $crate::Context<$crate::Wit> = $crate::Context::new($crate::Wit);

        struct FunctionDoor;

        impl $crate::Door for FunctionDoor {
            async fn handle(
                request: $crate::bindings::exported::Request,
            ) -> $crate::bindings::exported::Response {
                $handle(&CONTEXT, request.into()).await.into()
            }
        }

        $crate::bindings::export_functions!(FunctionDoor with_types_in $crate::bindings);

        struct HttpDoor;

        impl $crate::wasip3::exports::http::handler::Guest for HttpDoor {
            async fn handle(
                request: $crate::wasip3::http::types::Request,
            ) -> Result<$crate::wasip3::http::types::Response, $crate::wasip3::http::types::ErrorCode> {
                $crate::http_door::handle(&CONTEXT, request, |request| $handle(&CONTEXT, request)).await
            }
        }

        $crate::wasip3::http::service::export!(HttpDoor with_types_in $crate::wasip3);
    };
}
