//! What is known about an item before it exists.

use std::fmt;

use lehr_tensor::DataType;

use crate::{Color, StepError};

/// The kind of an item and what is known of its sizes.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemType {
    /// Content of a file.
    Bytes,
    /// A picture.
    Image(ImageType),
    /// A recording; the rate in Hz and the number of channels.
    Audio {
        /// Samples per second and channel.
        rate: Option<u32>,
        /// Channels.
        channels: Option<usize>,
    },
    /// Text, or a pair of texts.
    Text,
    /// Named columns of text or numbers.
    Table,
    /// One tensor.
    Tensor(TensorType),
    /// Several tensors by name.
    Tensors(Vec<(String, TensorType)>),
    /// Classes, the best first.
    Classes,
    /// Objects in a picture.
    Objects,
    /// Recognised text.
    Transcript,
    /// Stretches of time.
    Segments,
    /// A class for each pixel.
    Mask,
    /// A number for each pixel.
    HeatMap,
    /// Named numbers.
    Series,
    /// Anything else, in the form of JSON.
    Json,
    /// One answer for each row; a single row is not wrapped.
    List(Box<ItemType>),
}

/// What is known of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageType {
    /// In pixels.
    pub width: Option<usize>,
    /// In pixels.
    pub height: Option<usize>,
    /// Order of the channels.
    pub color: Option<Color>,
    /// `u8` or `f32`.
    pub dtype: Option<DataType>,
}

/// What is known of a tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorType {
    /// The element type.
    pub dtype: Option<DataType>,
    /// The sizes; `None` where one depends on the data.
    pub shape: Option<Vec<Option<usize>>>,
}

impl TensorType {
    /// A tensor of these sizes.
    pub fn new(dtype: DataType, shape: Vec<Option<usize>>) -> Self {
        Self { dtype: Some(dtype), shape: Some(shape) }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype {
            Some(dtype) => write!(f, "{dtype}")?,
            None => f.write_str("?")?,
        }
        let Some(shape) = &self.shape else { return f.write_str("[…]") };
        let sizes: Vec<_> =
            shape.iter().map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string())).collect();
        write!(f, "[{}]", sizes.join(", "))
    }
}

impl fmt::Display for ItemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |size: &Option<usize>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
        match self {
            Self::Bytes => f.write_str("bytes"),
            Self::Image(image) => {
                write!(f, "a picture of {}×{} pixels", size(&image.width), size(&image.height))
            }
            Self::Audio { .. } => f.write_str("a recording"),
            Self::Text => f.write_str("text"),
            Self::Table => f.write_str("a table"),
            Self::Tensor(tensor) => write!(f, "a tensor {tensor}"),
            Self::Tensors(tensors) => {
                let names: Vec<_> = tensors.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                write!(f, "tensors {{{}}}", names.join(", "))
            }
            Self::Classes => f.write_str("classes"),
            Self::Objects => f.write_str("objects"),
            Self::Transcript => f.write_str("recognised text"),
            Self::Segments => f.write_str("segments of time"),
            Self::Mask => f.write_str("a mask"),
            Self::HeatMap => f.write_str("a heat map"),
            Self::Series => f.write_str("named numbers"),
            Self::Json => f.write_str("JSON"),
            Self::List(item) => write!(f, "a list of {item}"),
        }
    }
}

impl ItemType {
    /// What is known of the picture.
    ///
    /// # Errors
    /// [`StepError::Kind`] when it is none.
    pub fn image(&self) -> Result<ImageType, StepError> {
        match self {
            Self::Image(image) => Ok(*image),
            other => Err(StepError::kind("a picture", other)),
        }
    }

    /// What is known of the tensor.
    ///
    /// # Errors
    /// [`StepError::Kind`] when it is none.
    pub fn tensor(&self) -> Result<&TensorType, StepError> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            other => Err(StepError::kind("a tensor", other)),
        }
    }

    /// Fails unless the item is of the kind that `expected` describes.
    ///
    /// # Errors
    /// [`StepError::Kind`].
    pub fn demand(&self, expected: &str, is_so: bool) -> Result<(), StepError> {
        if is_so { Ok(()) } else { Err(StepError::kind(expected, self)) }
    }

    /// What the step makes of each row: `infer` of the item, or of every item of a list.
    ///
    /// # Errors
    /// That of `infer`.
    pub fn each(&self, infer: impl Fn(&Self) -> Result<Self, StepError>) -> Result<Self, StepError> {
        match self {
            Self::List(item) => Ok(Self::List(Box::new(infer(item)?))),
            item => infer(item),
        }
    }
}
