//! What flows from step to step.

use std::path::PathBuf;

use lehr_tensor::{Bytes, DataType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Audio, ImageType, ItemType, StepError, TensorType};

/// What a user has.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    Path(PathBuf),
    /// The content of a file, and what to call it in messages.
    Bytes {
        /// What to call it.
        name: String,
        /// Its content.
        bytes: Bytes,
    },
    /// Something that is decoded already, and what to call it in messages.
    Item {
        /// What to call it.
        name: String,
        /// What it is.
        item: Item,
    },
}

impl Source {
    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Bytes { name, .. } | Self::Item { name, .. } => name.clone(),
        }
    }

    /// Text to be classified, embedded or completed.
    pub fn text(text: impl Into<String>) -> Self {
        let item = Item::Text(Text { first: text.into(), second: None });
        Self::Item { name: "text".to_owned(), item }
    }

    /// Something that is decoded already.
    pub fn item(item: Item) -> Self {
        Self::Item { name: item.ty().to_string(), item }
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&std::path::Path> for Source {
    fn from(path: &std::path::Path) -> Self {
        Self::Path(path.to_owned())
    }
}

impl From<&str> for Source {
    fn from(path: &str) -> Self {
        Self::Path(path.into())
    }
}

impl From<Item> for Source {
    fn from(item: Item) -> Self {
        Self::item(item)
    }
}

impl From<Tensor> for Source {
    fn from(tensor: Tensor) -> Self {
        Self::item(Item::Tensor(tensor))
    }
}

/// What a step takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Content of a file.
    Bytes(Bytes),
    /// A picture.
    Image(Image),
    /// A recording.
    Audio(Audio),
    /// Text, or a pair of texts.
    Text(Text),
    /// Named columns.
    Table(Table),
    /// One tensor.
    Tensor(Tensor),
    /// Several tensors by name.
    Tensors(Vec<(String, Tensor)>),
    /// Classes, the best first.
    Classes(Vec<Class>),
    /// Objects in a picture, the surest first.
    Objects(Vec<Object>),
    /// Recognised text.
    Transcript(Transcript),
    /// Stretches of time in their order.
    Segments(Vec<Segment>),
    /// A class for each pixel.
    Mask(Mask),
    /// A number for each pixel.
    HeatMap(HeatMap),
    /// Named numbers.
    Series(Series),
    /// Anything else.
    Json(serde_json::Value),
    /// One answer for each row; a single row is not wrapped.
    List(Vec<Item>),
}

/// Order of the channels of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// One channel of brightness.
    Gray,
}

impl Color {
    /// Channels of each pixel.
    pub fn channels(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            Self::Gray => 1,
        }
    }
}

/// A picture: rows from top to bottom, pixels from left to right, channels next to each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    width: usize,
    height: usize,
    color: Color,
    pixels: Pixels,
}

/// The numbers of a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// From 0 to 255.
    U8(Vec<u8>),
    /// In any range.
    F32(Vec<f32>),
}

impl Pixels {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Image {
    /// A picture of these pixels.
    ///
    /// # Errors
    /// [`StepError::Malformed`] when their number is not width × height × channels, or the picture is empty.
    pub fn new(width: usize, height: usize, color: Color, pixels: Pixels) -> Result<Self, StepError> {
        let expected = width.checked_mul(height).and_then(|area| area.checked_mul(color.channels()));
        if expected != Some(pixels.len()) || pixels.is_empty() {
            return Err(StepError::malformed(format!(
                "a picture of {width}×{height} pixels and {} channels can not have {} values",
                color.channels(),
                pixels.len()
            )));
        }
        Ok(Self { width, height, color, pixels })
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Order of the channels.
    pub fn color(&self) -> Color {
        self.color
    }

    /// Row by row, `[height, width, channels]`.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// The pixels by value.
    pub fn into_pixels(self) -> Pixels {
        self.pixels
    }
}

/// Text, or a pair of texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub first: String,
    /// What it is paired with.
    pub second: Option<String>,
}

/// Named columns of one length. A number that is missing is NaN, a text that is missing is `None`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Table {
    /// Rows of every column.
    pub rows: usize,
    /// The columns in their order.
    pub columns: Vec<(String, Series)>,
}

/// Values of one column, or an answer of several numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Series {
    /// Numbers; NaN where one is missing.
    Numbers(Vec<f64>),
    /// Texts.
    Texts(Vec<Option<String>>),
}

impl Series {
    /// How many values.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A class of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Class {
    /// Position among the model's classes.
    pub index: usize,
    /// Probability or whatever the model gives.
    #[serde(serialize_with = "crate::decimal::serialize")]
    pub score: f32,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// An object in a picture, in pixels of the picture that the user gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Where it is.
    pub region: Region,
    /// How sure the model is.
    pub score: f32,
    /// What it is.
    pub class: Option<Class>,
    /// Named points of it.
    pub key_points: Vec<KeyPoint>,
    /// Its pixels.
    pub mask: Option<Mask>,
    /// Text that was read in it.
    pub text: Option<String>,
}

/// A part of a picture, in pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Region {
    /// An upright rectangle.
    Box {
        /// Left edge.
        x1: f32,
        /// Upper edge.
        y1: f32,
        /// Right edge.
        x2: f32,
        /// Lower edge.
        y2: f32,
    },
    /// Corners in their order.
    Polygon(Vec<[f32; 2]>),
}

impl Object {
    /// Something at that place, without anything else that is known of it.
    pub fn new(region: Region, score: f32) -> Self {
        Self { region, score, class: None, key_points: Vec::new(), mask: None, text: None }
    }
}

impl Region {
    /// Left, upper, right and lower edge of the upright rectangle around it; zeros when it has no corners.
    pub fn bounds(&self) -> [f32; 4] {
        let points = match self {
            Self::Box { x1, y1, x2, y2 } => return [*x1, *y1, *x2, *y2],
            Self::Polygon(points) => points,
        };
        let around =
            |[x1, y1, x2, y2]: [f32; 4], [x, y]: &[f32; 2]| [x1.min(*x), y1.min(*y), x2.max(*x), y2.max(*y)];
        let first = points.first().map(|[x, y]| [*x, *y, *x, *y]);
        first.map_or([0.0; 4], |first| points.iter().fold(first, around))
    }
}

/// A point of an object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeyPoint {
    /// In pixels from the left.
    #[serde(serialize_with = "crate::decimal::serialize")]
    pub x: f32,
    /// In pixels from the top.
    #[serde(serialize_with = "crate::decimal::serialize")]
    pub y: f32,
    /// How sure the model is.
    #[serde(serialize_with = "crate::decimal::serialize")]
    pub score: f32,
}

/// Recognised text and how sure the model is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transcript {
    /// The text.
    pub text: String,
    /// Mean probability of its characters.
    #[serde(serialize_with = "crate::decimal::serialize")]
    pub score: f32,
}

/// A stretch of time in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segment {
    /// From the beginning of the recording.
    pub start: f64,
    /// From the beginning of the recording.
    pub end: f64,
    /// How sure the model is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "crate::decimal::serialize_optional")]
    pub score: Option<f32>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A class for each pixel, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// The classes; 0 is the background.
    pub classes: Vec<u16>,
}

/// A number for each pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// The numbers.
    pub values: Vec<f32>,
}

impl Item {
    /// What it is.
    pub fn ty(&self) -> ItemType {
        match self {
            Self::Bytes(_) => ItemType::Bytes,
            Self::Image(image) => ItemType::Image(image.ty()),
            Self::Audio(audio) => {
                ItemType::Audio { rate: Some(audio.rate()), channels: Some(audio.channels().len()) }
            }
            Self::Text(_) => ItemType::Text,
            Self::Table(_) => ItemType::Table,
            Self::Tensor(tensor) => ItemType::Tensor(tensor_type(tensor)),
            Self::Tensors(tensors) => {
                ItemType::Tensors(tensors.iter().map(|(name, t)| (name.clone(), tensor_type(t))).collect())
            }
            Self::Classes(_) => ItemType::Classes,
            Self::Objects(_) => ItemType::Objects,
            Self::Transcript(_) => ItemType::Transcript,
            Self::Segments(_) => ItemType::Segments,
            Self::Mask(_) => ItemType::Mask,
            Self::HeatMap(_) => ItemType::HeatMap,
            Self::Series(_) => ItemType::Series,
            Self::Json(_) => ItemType::Json,
            Self::List(items) => ItemType::List(Box::new(items.first().map_or(ItemType::Json, Self::ty))),
        }
    }

    /// The picture.
    ///
    /// # Errors
    /// [`StepError::Kind`] when it is none.
    pub fn into_image(self) -> Result<Image, StepError> {
        match self {
            Self::Image(image) => Ok(image),
            other => Err(StepError::kind("a picture", other.ty())),
        }
    }

    /// The recording.
    ///
    /// # Errors
    /// [`StepError::Kind`] when it is none.
    pub fn into_audio(self) -> Result<Audio, StepError> {
        match self {
            Self::Audio(audio) => Ok(audio),
            other => Err(StepError::kind("a recording", other.ty())),
        }
    }

    /// The table.
    ///
    /// # Errors
    /// [`StepError::Kind`] when it is none, [`StepError::Malformed`] when a column has too many or too few values.
    pub fn into_table(self) -> Result<Table, StepError> {
        match self {
            Self::Table(table) => match table.columns.iter().find(|(_, series)| series.len() != table.rows) {
                None => Ok(table),
                Some((name, series)) => Err(StepError::malformed(format!(
                    "column '{name}': expected {} values, one for each row, got {}",
                    table.rows,
                    series.len()
                ))),
            },
            other => Err(StepError::kind("a table", other.ty())),
        }
    }

    /// The tensor.
    ///
    /// # Errors
    /// [`StepError::Kind`] when it is none.
    pub fn into_tensor(self) -> Result<Tensor, StepError> {
        match self {
            Self::Tensor(tensor) => Ok(tensor),
            other => Err(StepError::kind("a tensor", other.ty())),
        }
    }

    /// The step's answer for each row: `apply` on the item, or on every item of a list.
    ///
    /// # Errors
    /// That of `apply`.
    pub fn each(self, mut apply: impl FnMut(Self) -> Result<Self, StepError>) -> Result<Self, StepError> {
        match self {
            Self::List(items) => items.into_iter().map(apply).collect::<Result<_, _>>().map(Self::List),
            item => apply(item),
        }
    }

    /// One answer for each row; a single row is not wrapped.
    pub fn from_rows(mut rows: Vec<Self>) -> Self {
        match rows.len() {
            1 => rows.remove(0),
            _ => Self::List(rows),
        }
    }
}

impl Image {
    /// What is known of it.
    pub fn ty(&self) -> ImageType {
        let dtype = match self.pixels {
            Pixels::U8(_) => DataType::U8,
            Pixels::F32(_) => DataType::F32,
        };
        ImageType {
            width: Some(self.width),
            height: Some(self.height),
            color: Some(self.color),
            dtype: Some(dtype),
        }
    }
}

fn tensor_type(tensor: &Tensor) -> TensorType {
    TensorType::new(tensor.dtype(), tensor.shape().iter().map(|&size| Some(size)).collect())
}
