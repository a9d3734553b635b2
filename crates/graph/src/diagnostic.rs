//! Findings about a model: every reader and checker returns all of them at once.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Note,
    /// Something was repaired or ignored.
    Warning,
    /// The model can not be used as it is.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal;)*) => {
        /// Stable code of a kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])* $name),* }

        impl Code {
            /// All codes with their meaning, for the error index.
            pub const ALL: &[(Code, &str)] = &[$((Code::$name, concat!($($doc),*))),*];

            /// `E0101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }
    };
}

codes! {
    /// The file can not be opened or read.
    Unreadable = "E0001";
    /// The file is not of the expected format, or is truncated or damaged.
    Malformed = "E0002";
    /// External data is missing, too short, or outside the model's folder.
    ExternalData = "E0003";
    /// The model is larger or deeper than the limits of the reader.
    Limit = "E0004";
    /// The file comes from a newer version of the format.
    NewerVersion = "E0005";
    /// The operator is not known.
    UnknownOperator = "E0101";
    /// The operator is known, but not in this opset or form.
    UnsupportedForm = "E0102";
    /// An attribute is missing, unknown, or has a wrong value.
    BadAttribute = "E0103";
    /// Number, types or shapes of a node's inputs are not valid.
    BadInputs = "E0104";
    /// A value that nothing produces is used.
    UndefinedValue = "E0105";
    /// Two nodes produce a value of the same name.
    DuplicateValue = "E0106";
    /// Nodes depend on each other in a circle.
    Cycle = "E0107";
    /// A model-local function calls itself.
    RecursiveFunction = "E0108";
    /// A weight is not valid: wrong length, type or shape.
    BadConstant = "E0109";
    /// A declared type or shape contradicts the inferred one; the inferred one is used.
    DeclaredTypeIgnored = "E0201";
    /// Nodes were not in order; they were sorted.
    Unsorted = "E0202";
    /// Something unknown in the file was ignored.
    Ignored = "E0203";
    /// The graph can not be written in the asked form.
    NotWritable = "E0301";
    /// A fed value does not fit the model's signature.
    BadFeed = "E0401";
    /// Evaluation failed at a node.
    EvalFailed = "E0402";
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Kind of finding.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What happened and what was expected; lower case, one sentence.
    pub message: String,
    /// The node it is about.
    pub node: Option<NodeRef>,
    /// The way out.
    pub help: Option<String>,
}

/// Names a node of a model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRef {
    /// Its name; the name of its first output when it has none.
    pub name: String,
    /// Its operator with domain.
    pub op: String,
    /// Opset of its domain.
    pub opset: i64,
}

impl Diagnostic {
    /// An error.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), node: None, help: None }
    }

    /// A warning.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same about a node.
    pub fn at(mut self, node: NodeRef) -> Self {
        self.node = Some(node);
        self
    }

    /// The same with a way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]: ", self.severity, self.code.as_str())?;
        if let Some(node) = &self.node {
            write!(f, "node '{}' ({}, opset {}): ", node.name, node.op, node.opset)?;
        }
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, " (help: {help})")?;
        }
        Ok(())
    }
}

/// Whether any of the findings is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity == Severity::Error)
}
