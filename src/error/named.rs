//! `named!`: an enum whose values have names that users read and write. Used by this crate and by those above it.

/// Gives an enum without fields `ALL`, `as_str`, [`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr), whose error is a
/// sentence: `named!(BoxState { Created = "created", Running = "running" })`.
#[macro_export]
macro_rules! named {
    ($type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name that users read and write.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = String;

            fn from_str(name: &str) -> Result<Self, String> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!("must be one of {}: {name:?}", [$(concat!("`", $name, "`")),+].join(", "))),
                }
            }
        }
    };
}
