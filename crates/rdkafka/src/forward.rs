//! Plain delegation to the client's own.

/// Defines methods that call the method of the same name of `self.client`.
macro_rules! forward {
    ($(
        fn $method:ident $(<$generic:ident: $bound:path>)? (
            &self $(, $argument:ident: $type:ty)* $(,)?
        ) $(-> $output:ty)?;
    )*) => {$(
        fn $method $(<$generic: $bound>)? (&self $(, $argument: $type)*) $(-> $output)? {
            self.client.$method($($argument),*)
        }
    )*};
}

pub(crate) use forward;
