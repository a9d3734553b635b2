//! Stands for an operator that this build does not know, so that the rest of a model can still be read and reported.

use std::any::Any;

use crate::attribute::Attributes;
use crate::error::OpError;
use crate::eval::EvalCx;
use crate::flags::Flags;
use crate::infer::InferCx;
use crate::op::{Op, OpMeta, OpSchema, full_name};
use crate::transfer::WriteCx;

/// An operator known by name only.
#[derive(Debug)]
pub struct Opaque {
    domain: String,
    op_type: String,
    attributes: Attributes,
}

static SCHEMA: OpSchema = OpSchema {
    name: "Opaque",
    domain: "lehr",
    since: 1,
    inputs: (0, usize::MAX),
    outputs: (0, usize::MAX),
    flags: Flags::OPAQUE.with(Flags::RANDOM),
    read: |cx| {
        let node = cx.node();
        let op = Opaque::new(node.domain.clone(), node.op_type.clone(), node.attributes.clone());
        cx.emit_same(op)
    },
    from_attributes: |attributes| {
        let mut rest = attributes.clone();
        rest.remove(DOMAIN);
        rest.remove(OP_TYPE);
        Ok(std::sync::Arc::new(Opaque::new(attributes.require(DOMAIN)?, attributes.require(OP_TYPE)?, rest)))
    },
};

const DOMAIN: &str = "domain.";
const OP_TYPE: &str = "op_type.";

impl Opaque {
    /// The facts shared by all unknown operators.
    pub const SCHEMA: &'static OpSchema = &SCHEMA;

    /// An operator of that name.
    pub fn new(domain: String, op_type: String, attributes: Attributes) -> Self {
        Self { domain, op_type, attributes }
    }

    /// Its domain; empty for the default one.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Its name.
    pub fn op_type(&self) -> &str {
        &self.op_type
    }

    /// The attributes that the model gives it.
    pub fn own_attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Name with domain.
    pub fn stands_for(&self) -> String {
        full_name(&self.domain, &self.op_type)
    }
}

impl OpMeta for Opaque {
    fn schema(&self) -> &'static OpSchema {
        &SCHEMA
    }

    fn attributes(&self) -> Attributes {
        let mut all = self.attributes.clone();
        all.set(DOMAIN, crate::attribute::Attribute::String(self.domain.clone()));
        all.set(OP_TYPE, crate::attribute::Attribute::String(self.op_type.clone()));
        all
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Op for Opaque {
    fn infer(&self, _cx: &mut InferCx<'_>) -> Result<(), OpError> {
        Ok(())
    }

    fn eval(&self, _cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        Err(OpError::Unsupported(format!("operator {} is not known", self.stands_for())))
    }

    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        cx.rename(&self.domain, &self.op_type);
        *cx.attributes_mut() = self.attributes.clone();
        Ok(())
    }
}
