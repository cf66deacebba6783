//! Schedules detail calls for records whose list items omit members.

use crate::{
    domain::Stream,
    planner::DetailSchedule,
    sync::{plan_input::PlanInput, project::Project, world::World},
    warehouse::{CallDraw, DetailMode, WarehouseError},
};

/// Most transactions per round that store when records are read next.
const DATINGS: usize = 20;

/// Makes the detail calls due whose time has come, and returns their schedule.
///
/// Applies only if detail calls follow changes: with `always` every list item causes one, with
/// `never` none is made.
pub(in crate::sync) async fn schedule(
    world: &World,
    project: &Project,
    plan_input: &PlanInput,
) -> Result<Option<DetailSchedule>, WarehouseError> {
    if project.stream() != Stream::Submission || project.scope.details != DetailMode::OnChange {
        return Ok(None);
    }
    let drawn = world.warehouse.sparse_drawn(&project.scope).await?;
    let schedule = DetailSchedule::new(
        &plan_input.settings,
        &plan_input.ledger,
        project.budget(),
        drawn.records,
    );
    project.set_detail_schedule(schedule);
    let next = |record: &_, now| schedule.next(record, now);
    for _ in 0..DATINGS {
        let too_late = schedule.too_late();
        if !world.warehouse.date_sparse(&project.scope, too_late, &next).await?
            || world.stop.is_cancelled()
        {
            break;
        }
    }
    let (mut left, mut from) = schedule.allowance(drawn.until, drawn.now);
    let mut given_out = drawn.until;
    while left > 0 && !world.stop.is_cancelled() {
        let until = |count| schedule.until(from, count);
        let draw = CallDraw { count_max: left, ahead: schedule.ahead(), given_out };
        let count = world.warehouse.draw_sparse(&project.scope, draw, &next, &until).await?;
        if count == 0 {
            break;
        }
        left = left.saturating_sub(count);
        from = schedule.until(from, count);
        given_out = Some(from);
    }
    Ok(Some(schedule))
}
