//! `named!`: declares an enum whose values have names that users read and write. Used by this crate and by those above it.

/// Declares an enum without fields, in which each value has a name: `named! { pub enum BoxState { Created = "created" } }`. It gets `ALL`,
/// `as_str`, serde's traits with the same names, [`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr), whose error is a
/// sentence.
#[macro_export]
macro_rules! named {
    ($(#[$meta:meta])* pub enum $type:ident { $($(#[$of:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $type { $($(#[$of])* #[serde(rename = $name)] $variant),+ }

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
                let found = Self::ALL.iter().copied().find(|value| value.as_str() == name);
                found.ok_or_else(|| format!("must be one of {}: {name:?}", [$(concat!("`", $name, "`")),+].join(", ")))
            }
        }
    };
}
