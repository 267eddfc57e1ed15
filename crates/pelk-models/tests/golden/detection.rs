//! Golden cases of the detector. Those of decisions on the host need no device.

use crate::case::Case;
use crate::{
    cascade, cascade_stages as stages, detection_host as host, detection_losses as losses, operators,
    roi_align,
};
use pelk_autodiff::Backend;

pub fn run<B: Backend>(op: &str, case: &mut Case, backend: &B) -> Result<(), String> {
    match op {
        "anchors" => host::anchors(case),
        "delta_encode" => host::delta_encode(case),
        "delta_decode" => host::delta_decode(case),
        "nms" => host::nms(case),
        "assign" => host::assign(case),
        "mask_target" => host::mask_target(case),
        "mask_paste" => host::mask_paste(case),
        "fpn" => cascade::fpn(case, backend),
        "rpn" => cascade::rpn(case, backend),
        "box_head" => cascade::box_head(case, backend),
        "mask_head" => cascade::mask_head(case, backend),
        "cascade_train" => stages::train(case, backend),
        "cascade_test" => stages::test(case, backend),
        // COCO's files and evaluation need no network: a test of pelk-coco runs them on its own fixtures.
        "coco_rle" | "coco_polygon" | "coco_iou" | "coco_eval" => {
            case.pass_over();
            Ok(())
        }
        "binary_cross_entropy" => losses::binary_cross_entropy(case, backend),
        "smooth_l1" => losses::smooth_l1(case, backend),
        "giou_loss" => losses::giou(case, backend),
        "mask_cross_entropy" => losses::mask_cross_entropy(case, backend),
        "weighted_cross_entropy" => losses::weighted_cross_entropy(case, backend),
        "roi_align" => roi_align::one_map(case, backend),
        "roi_extract" => roi_align::pyramid(case, backend),
        _ => operators::run(op, case, backend),
    }
}
