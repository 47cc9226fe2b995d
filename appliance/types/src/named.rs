//! Enums whose values have names in the configuration.

/// Declares an algorithm enum with its configuration names.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, strongest last.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name in the configuration.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.name()) }
        }

        impl std::str::FromStr for $name {
            type Err = crate::ParseError;

            fn from_str(text: &str) -> Result<Self, crate::ParseError> {
                Self::ALL.iter().copied().find(|v| v.name() == text).ok_or_else(|| crate::ParseError::new(text, $wanted))
            }
        }
    };
}
pub(crate) use named;
