//! `weights.transforms()` of torchvision's classifiers, as of version 0.20.

use super::picture::{HALF, IMAGENET, Norm, PART, Steps, pixels, size};
use crate::InputSpec;

/// Short side, crop, filter, norm, and the weights that have them.
type Row = (u32, u32, &'static str, Norm, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        256,
        224,
        "bilinear",
        IMAGENET,
        &[
            "imagenet",
            "alexnet",
            "densenet121",
            "densenet161",
            "densenet169",
            "densenet201",
            "googlenet",
            "mnasnet0_5",
            "mnasnet1_0",
            "mobilenet_v2_v1",
            "mobilenet_v3_large_v1",
            "mobilenet_v3_small",
            "regnet_x_16gf_v1",
            "regnet_x_1_6gf_v1",
            "regnet_x_32gf_v1",
            "regnet_x_3_2gf_v1",
            "regnet_x_400mf_v1",
            "regnet_x_800mf_v1",
            "regnet_x_8gf_v1",
            "regnet_y_16gf_v1",
            "regnet_y_1_6gf_v1",
            "regnet_y_32gf_v1",
            "regnet_y_3_2gf_v1",
            "regnet_y_400mf_v1",
            "regnet_y_800mf_v1",
            "regnet_y_8gf_v1",
            "resnet18",
            "resnet34",
            "resnet50_v1",
            "resnet101_v1",
            "resnet152_v1",
            "resnext50_32x4d_v1",
            "resnext101_32x8d_v1",
            "shufflenet_v2_x0_5",
            "shufflenet_v2_x1_0",
            "squeezenet1_0",
            "squeezenet1_1",
            "vgg11",
            "vgg11_bn",
            "vgg13",
            "vgg13_bn",
            "vgg16",
            "vgg16_bn",
            "vgg19",
            "vgg19_bn",
            "vit_b_16",
            "vit_b_32",
            "vit_l_32",
            "wide_resnet50_2_v1",
            "wide_resnet101_2_v1",
        ],
    ),
    (
        232,
        224,
        "bilinear",
        IMAGENET,
        &[
            "convnext_base",
            "convnext_large",
            "mnasnet0_75",
            "mnasnet1_3",
            "mobilenet_v2_v2",
            "mobilenet_v3_large_v2",
            "regnet_x_16gf_v2",
            "regnet_x_1_6gf_v2",
            "regnet_x_32gf_v2",
            "regnet_x_3_2gf_v2",
            "regnet_x_400mf_v2",
            "regnet_x_800mf_v2",
            "regnet_x_8gf_v2",
            "regnet_y_16gf_v2",
            "regnet_y_1_6gf_v2",
            "regnet_y_32gf_v2",
            "regnet_y_3_2gf_v2",
            "regnet_y_400mf_v2",
            "regnet_y_800mf_v2",
            "regnet_y_8gf_v2",
            "resnet50_v2",
            "resnet101_v2",
            "resnet152_v2",
            "resnext50_32x4d_v2",
            "resnext101_32x8d_v2",
            "resnext101_64x4d",
            "shufflenet_v2_x1_5",
            "shufflenet_v2_x2_0",
            "wide_resnet50_2_v2",
            "wide_resnet101_2_v2",
        ],
    ),
    (236, 224, "bilinear", IMAGENET, &["convnext_tiny"]),
    (230, 224, "bilinear", IMAGENET, &["convnext_small"]),
    (242, 224, "bilinear", IMAGENET, &["vit_l_16"]),
    (342, 299, "bilinear", IMAGENET, &["inception_v3"]),
    (256, 224, "bicubic", IMAGENET, &["efficientnet_b0"]),
    (256, 240, "bicubic", IMAGENET, &["efficientnet_b1_v1"]),
    (255, 240, "bilinear", IMAGENET, &["efficientnet_b1_v2"]),
    (288, 288, "bicubic", IMAGENET, &["efficientnet_b2"]),
    (320, 300, "bicubic", IMAGENET, &["efficientnet_b3"]),
    (384, 380, "bicubic", IMAGENET, &["efficientnet_b4"]),
    (456, 456, "bicubic", IMAGENET, &["efficientnet_b5"]),
    (528, 528, "bicubic", IMAGENET, &["efficientnet_b6"]),
    (600, 600, "bicubic", IMAGENET, &["efficientnet_b7"]),
    (384, 384, "bilinear", IMAGENET, &["efficientnet_v2_s"]),
    (480, 480, "bilinear", IMAGENET, &["efficientnet_v2_m"]),
    (480, 480, "bicubic", HALF, &["efficientnet_v2_l"]),
    (232, 224, "bicubic", IMAGENET, &["swin_t"]),
    (246, 224, "bicubic", IMAGENET, &["swin_s"]),
    (238, 224, "bicubic", IMAGENET, &["swin_b"]),
    (260, 256, "bicubic", IMAGENET, &["swin_v2_t", "swin_v2_s"]),
    (272, 256, "bicubic", IMAGENET, &["swin_v2_b"]),
    (
        224,
        224,
        "bicubic",
        IMAGENET,
        &[
            "maxvit_t",
            "regnet_y_128gf_swag_linear",
            "regnet_y_16gf_swag_linear",
            "regnet_y_32gf_swag_linear",
            "vit_b_16_swag_linear",
            "vit_h_14_swag_linear",
            "vit_l_16_swag_linear",
        ],
    ),
    (
        384,
        384,
        "bicubic",
        IMAGENET,
        &["regnet_y_128gf_swag_e2e", "regnet_y_16gf_swag_e2e", "regnet_y_32gf_swag_e2e", "vit_b_16_swag_e2e"],
    ),
    (512, 512, "bicubic", IMAGENET, &["vit_l_16_swag_e2e"]),
    (518, 518, "bicubic", IMAGENET, &["vit_h_14_swag_e2e"]),
];

/// All weights, with their version where a model has several.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| row.4.iter().copied())
}

/// The input of a model with these weights.
pub fn preset(name: &str) -> Option<InputSpec> {
    let (short_side, crop, filter, norm, _) = *ROWS.iter().find(|row| row.4.contains(&name))?;
    let steps = Steps::decoded()
        .then("resize", [("short_side", pixels(short_side)), ("filter", filter.into())])
        .then("center_crop", [("size", size(crop, crop))])
        .then("scale", [("by", PART.into())])
        .normalized(norm);
    Some(steps.into_input("input", "CHW"))
}
