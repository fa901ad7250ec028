//! The request for what a guest does on its own, as data: the box's options over what the image says, as in docker. Part of the
//! container's spec.

use boxlite_error::{BoxliteError, BoxliteResult, Stage};
use boxlite_images::{Healthcheck as ImageHealthcheck, ImageConfig};
use boxlite_proto::v1::{
    Command, HealthCheck as HealthRequest, MainProcess, RestartPolicy as RestartRequest, Supervision,
    health_check::Check, restart_policy::When,
};

use crate::options::{
    signal,
    supervision::{HealthCheck, HealthOption, Probe, RestartPolicy, RestartWhen, SupervisionOptions},
};

/// Between the signal that asks the main process to end and SIGKILL, when the guest itself ends the machine; as `stop`.
pub(crate) const STOP_GRACE_MS: u32 = 10_000;

/// What the guest of a box is to do; `None` where it is nothing.
///
/// # Errors
/// `INVALID_ARGUMENT` when a main process is wanted and neither the options nor the image name one.
pub(crate) fn build(
    id: &str,
    options: &SupervisionOptions,
    image: &ImageConfig,
) -> BoxliteResult<Option<Supervision>> {
    let main = options.has_main().then(|| main_process(id, options, image)).transpose()?;
    let health = match &options.health {
        HealthOption::Own(check) => Some(health_request(check)),
        HealthOption::Image if main.is_some() => {
            image.healthcheck.as_ref().and_then(of_image).as_ref().map(health_request)
        }
        HealthOption::Image | HealthOption::Off => None,
    };
    let limits = [options.max_lifetime_ms, options.idle_timeout_ms, options.ends_at_ms];
    if main.is_none() && health.is_none() && limits == [0; 3] {
        return Ok(None);
    }
    Ok(Some(Supervision {
        main,
        health,
        max_lifetime_ms: options.max_lifetime_ms,
        idle_timeout_ms: options.idle_timeout_ms,
        stop_grace_ms: STOP_GRACE_MS,
        ends_at_unix_ms: options.ends_at_ms,
    }))
}

fn main_process(id: &str, options: &SupervisionOptions, image: &ImageConfig) -> BoxliteResult<MainProcess> {
    let argv = command_line(options, image);
    if argv.is_empty() {
        return Err(BoxliteError::invalid(format!(
            "start box `{id}`: its main process: neither options nor image name a program"
        ))
        .hint("give `cmd` or `entrypoint`, or leave `main` out")
        .at(Stage::Container));
    }
    // As docker: what an image names wrongly is SIGTERM.
    let stop_signal =
        options.stop_signal.as_ref().or(image.stop_signal.as_ref()).and_then(|name| signal::number(name));
    Ok(MainProcess {
        argv,
        stop_signal: stop_signal.unwrap_or_default(),
        restart: Some(restart(options.restart)),
        is_init: options.main_is_init,
    })
}

/// As docker: an own entrypoint leaves out the image's command too.
fn command_line(options: &SupervisionOptions, image: &ImageConfig) -> Vec<String> {
    let entrypoint = options.entrypoint.as_ref().unwrap_or(&image.entrypoint);
    let cmd = match (&options.cmd, &options.entrypoint) {
        (Some(cmd), _) => cmd.as_slice(),
        (None, Some(_)) => &[],
        (None, None) => &image.cmd,
    };
    entrypoint.iter().chain(cmd).cloned().collect()
}

fn restart(policy: RestartPolicy) -> RestartRequest {
    let when = match policy.when {
        RestartWhen::No => When::Never,
        RestartWhen::OnFailure => When::OnFailure,
        RestartWhen::Always => When::Always,
    };
    RestartRequest { when: when.into(), max_restarts: policy.max_retries, delay_ms: policy.delay_ms }
}

fn health_request(check: &HealthCheck) -> HealthRequest {
    let probe = match &check.probe {
        Probe::Command(argv) => Check::Command(Command { argv: argv.clone() }),
        Probe::TcpPort(port) => Check::TcpPort((*port).into()),
    };
    HealthRequest {
        check: Some(probe),
        interval_ms: check.interval_ms,
        timeout_ms: check.timeout_ms,
        retries: check.retries,
        start_period_ms: check.start_period_ms,
    }
}

/// docker's health check of an image: a 0 is its default, and `NONE` is none (moby, container/health).
fn of_image(check: &ImageHealthcheck) -> Option<HealthCheck> {
    let argv = match check.test.split_first() {
        Some((kind, argv)) if kind == "CMD" && !argv.is_empty() => argv.to_vec(),
        Some((kind, [line])) if kind == "CMD-SHELL" => {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]
        }
        _ => return None,
    };
    let default = HealthCheck::new(Probe::Command(argv));
    let ms = |nanoseconds: i64, default: u32| match nanoseconds {
        ..=0 => default,
        ns => u32::try_from(ns / 1_000_000).unwrap_or(u32::MAX).max(1),
    };
    Some(HealthCheck {
        interval_ms: ms(check.interval, default.interval_ms),
        timeout_ms: ms(check.timeout, default.timeout_ms),
        start_period_ms: ms(check.start_period, default.start_period_ms),
        retries: u32::try_from(check.retries).ok().filter(|n| *n > 0).unwrap_or(default.retries),
        ..default
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(args: &[&str]) -> Vec<String> {
        args.iter().map(|&arg| arg.to_owned()).collect()
    }

    fn image() -> ImageConfig {
        ImageConfig { entrypoint: strings(&["/entry"]), cmd: strings(&["serve"]), ..Default::default() }
    }

    fn argv(options: &SupervisionOptions) -> Vec<String> {
        build("id", options, &image()).unwrap().unwrap().main.unwrap().argv
    }

    #[test]
    fn the_command_line_is_dockers() {
        let main = SupervisionOptions { main: true, ..Default::default() };
        assert_eq!(argv(&main), ["/entry", "serve"]);
        let cmd = SupervisionOptions { cmd: Some(strings(&["a"])), ..Default::default() };
        assert_eq!(argv(&cmd), ["/entry", "a"]);
        let entrypoint = SupervisionOptions { entrypoint: Some(strings(&["/own"])), ..Default::default() };
        assert_eq!(argv(&entrypoint), ["/own"]);
        let both = SupervisionOptions { entrypoint: Some(vec![]), ..cmd };
        assert_eq!(argv(&both), ["a"]);
    }

    #[test]
    fn a_box_without_supervision_gets_no_request() {
        let image = ImageConfig {
            stop_signal: Some("SIGINT".into()),
            healthcheck: Some(ImageHealthcheck { test: strings(&["CMD", "true"]), ..Default::default() }),
            ..image()
        };
        assert_eq!(build("id", &SupervisionOptions::default(), &image).unwrap(), None);
    }

    #[test]
    fn a_main_process_without_a_program_is_refused() {
        let main = SupervisionOptions { main: true, ..Default::default() };
        let error = build("id", &main, &ImageConfig::default()).unwrap_err();
        assert_eq!(error.code(), boxlite_error::ErrorCode::InvalidArgument);
    }

    #[test]
    fn the_stop_signal_is_the_options_or_else_the_images() {
        let stop = |own: Option<&str>, image: Option<&str>| {
            let options =
                SupervisionOptions { main: true, stop_signal: own.map(Into::into), ..Default::default() };
            let image = ImageConfig { stop_signal: image.map(Into::into), ..self::image() };
            build("id", &options, &image).unwrap().unwrap().main.unwrap().stop_signal
        };
        assert_eq!(stop(None, None), 0);
        assert_eq!(stop(None, Some("SIGRTMIN+3")), 37);
        assert_eq!(stop(Some("2"), Some("SIGQUIT")), 2);
        assert_eq!(stop(None, Some("SIGNONSENSE")), 0);
    }

    #[test]
    fn an_images_health_check_is_read_as_docker_does() {
        let check = ImageHealthcheck {
            test: strings(&["CMD-SHELL", "curl -f localhost"]),
            interval: 5_000_000_000,
            retries: 7,
            ..Default::default()
        };
        let read = of_image(&check).unwrap();
        assert_eq!(read.probe, Probe::Command(strings(&["/bin/sh", "-c", "curl -f localhost"])));
        assert_eq!((read.interval_ms, read.timeout_ms, read.retries), (5000, 30_000, 7));
        for none in [&["NONE"][..], &[], &["CMD"], &["CMD-SHELL"]] {
            let check = ImageHealthcheck { test: strings(none), ..Default::default() };
            assert_eq!(of_image(&check), None, "{none:?}");
        }
    }

    #[test]
    fn options_turn_an_images_health_check_off_or_replace_it() {
        let image = ImageConfig {
            healthcheck: Some(ImageHealthcheck { test: strings(&["CMD", "true"]), ..Default::default() }),
            ..image()
        };
        let health = |health, main| {
            let options = SupervisionOptions { main, health, ..Default::default() };
            build("id", &options, &image).unwrap().and_then(|request| request.health)
        };
        assert!(health(HealthOption::Image, true).is_some());
        assert!(health(HealthOption::Off, true).is_none());
        let own = HealthOption::Own(HealthCheck::new(Probe::TcpPort(80)));
        assert_eq!(health(own, false).unwrap().check, Some(Check::TcpPort(80)));
    }
}
