//! What the client's types have in common once they are wrapped.

/// Gives a type, which has the client's own as `bare`, what every wrapper has: access to the
/// client's own, which it dereferences to for what has no telemetry.
macro_rules! wrapper {
    ($wrapper:ident, $bare:ty) => {
        impl $wrapper {
            /// The client's own. What is done with it is not instrumented.
            pub const fn get_ref(&self) -> &$bare {
                &self.bare
            }

            /// The client's own.
            pub fn into_inner(self) -> $bare {
                self.bare
            }
        }

        impl ::std::ops::Deref for $wrapper {
            type Target = $bare;

            fn deref(&self) -> &Self::Target {
                &self.bare
            }
        }

        impl ::std::fmt::Debug for $wrapper {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.bare, f)
            }
        }
    };
}
pub(crate) use wrapper;
